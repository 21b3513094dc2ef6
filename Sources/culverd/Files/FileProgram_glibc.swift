import Glibc
import System

/// A program of the owner's that moves bytes of a file (`[files] upload` and `download`): without a shell, in a process group
/// that ends with it, and not for longer than `patience`. Blocks its thread.
struct FileProgram: Sendable {
    enum Failure: Error {
        case cannotRun(Errno)
        case status(Int32)
        case tooSlow
        case tooMuch
    }

    let path: String
    var arguments: [String] = []
    /// Beside PATH.
    var environment: [String] = []
    /// Bytes that it may say.
    var limit: Int64

    /// Seconds.
    private static let patience = 120.0
    private static let portion = 64 << 10

    /// Gives it `input`, and `take` what it says, in portions. Throws a `Failure`, or what `take` throws.
    func run(reading input: Descriptor?, _ take: ([UInt8]) throws -> Void) throws {
        let (process, output) = try start(input)
        defer {
            // All of its group, before its number can be another's.
            kill(-process, SIGKILL)
        }
        let end = KernelClock.monotonic.now + Self.patience
        do {
            try follow(output, until: end, take)
        } catch {
            kill(-process, SIGKILL)
            _ = Self.status(of: process)
            throw error
        }
        while !Self.hasEnded(process) {
            guard KernelClock.monotonic.now < end else {
                kill(-process, SIGKILL)
                _ = Self.status(of: process)
                throw Failure.tooSlow
            }
            usleep(10_000)
        }
        let status = Self.status(of: process)
        guard status == 0 else { throw Failure.status(status) }
    }

    private func follow(_ output: Descriptor, until end: Double, _ take: ([UInt8]) throws -> Void) throws {
        var total: Int64 = 0
        var bytes = [UInt8](repeating: 0, count: Self.portion)
        while true {
            guard KernelClock.monotonic.now < end else { throw Failure.tooSlow }
            var entry = pollfd(fd: output.number, events: Int16(POLLIN), revents: 0)
            guard poll(&entry, 1, 100) > 0 else { continue }
            let count = read(output.number, &bytes, bytes.count)
            guard count > 0 else { return }
            total += Int64(count)
            guard total <= limit else { throw Failure.tooMuch }
            try take(Array(bytes.prefix(count)))
        }
    }

    private func start(_ input: Descriptor?) throws -> (pid_t, Descriptor) {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw Failure.cannotRun(.last) }
        for end in ends { Descriptor.closeOnExec(end) }
        let (output, writing) = (Descriptor(owning: ends[0]), Descriptor(owning: ends[1]))
        let nothing: Descriptor
        do throws(Errno) {
            nothing = if let input { input } else { try Descriptor(following: "/dev/null", flags: O_RDONLY) }
        } catch {
            throw Failure.cannotRun(error)
        }
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        posix_spawn_file_actions_adddup2(&actions, nothing.number, 0)
        posix_spawn_file_actions_adddup2(&actions, writing.number, 1)
        var (all, none) = (sigset_t(), sigset_t())
        sigfillset(&all)
        sigemptyset(&none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
        var process: pid_t = 0
        let variables = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"] + environment
        let code = withExtendedLifetime((nothing, writing)) {
            Self.withStrings([path] + arguments) { arguments in
                Self.withStrings(variables) { posix_spawn(&process, path, &actions, &attributes, arguments, $0) }
            }
        }
        guard code == 0 else { throw Failure.cannotRun(Errno(code)) }
        return (process, output)
    }

    /// Its number stays its own until it is waited for.
    private static func hasEnded(_ process: pid_t) -> Bool {
        var state = siginfo_t()
        return waitid(P_PID, id_t(process), &state, WEXITED | WNOHANG | WNOWAIT) != 0 || state.si_signo == SIGCHLD
    }

    /// 0 to 255, or more than that for a signal.
    private static func status(of process: pid_t) -> Int32 {
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        return status & 0x7F == 0 ? status >> 8 & 0xFF : 256 + status & 0x7F
    }

    private static func withStrings<Result>(
        _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
    ) -> Result {
        let copies = strings.map { strdup($0) }
        defer { copies.forEach { free($0) } }
        return body(copies + [nil])
    }
}
