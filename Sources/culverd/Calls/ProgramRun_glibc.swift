import CLinux
import Dispatch
import Glibc
import Synchronization
import System

/// One program that runs for a call, on a thread of its own: without a shell, with a clean environment, in a process group
/// that ends with it.
final class ProgramRun: Sendable {
    struct Invocation: Sendable {
        var path: String
        var arguments: [String]
        /// `NAME=value`, all that the program sees.
        var environment: [String]
        var input: String
        /// Seconds.
        var timeout: Double
        /// Bytes of output after which it is ended.
        var limit: Int
        var isStreamed: Bool
        /// What a directory or file may belong to besides root.
        var owner: uid_t?
    }

    /// How it ended: a status from 0 to 255, and a word where it did not end by itself.
    struct Ending: Sendable {
        var status: Int32
        var output: String
        var error: String?
    }

    private let isStopped = Mutex(false)

    /// `said` gets output as it comes, if that is wanted; `ended` the rest, once.
    init(_ wish: Invocation, said: @escaping @Sendable (String) -> Void, ended: @escaping @Sendable (Ending) -> Void) {
        DispatchQueue(label: "culver.call").async { ended(self.run(wish, said)) }
    }

    /// Ends it soon.
    func stop() { isStopped.withLock { $0 = true } }

    private func run(_ wish: Invocation, _ said: (String) -> Void) -> Ending {
        if Executable.fault(of: wish.path, owner: wish.owner) != nil {
            return Ending(status: 77, output: "", error: "unsafe-program")
        }
        guard !isStopped.withLock({ $0 }) else { return Ending(status: 75, output: "", error: "interrupted") }
        do throws(Errno) {
            let (process, output) = try start(wish)
            return follow(process, output, wish, said)
        } catch {
            return Ending(status: 126, output: "", error: "cannot-run")
        }
    }

    private func start(_ wish: Invocation) throws(Errno) -> (pid_t, Descriptor) {
        let memory = culver_memory_file("input")
        guard memory >= 0 else { throw .last }
        let input = Descriptor(owning: memory)
        try input.write(Array(wish.input.utf8))
        lseek(memory, 0, SEEK_SET)
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw .last }
        let (output, writing) = (Descriptor(owning: ends[0]), Descriptor(owning: ends[1]))
        for end in ends { Descriptor.closeOnExec(end) }
        guard fcntl(output.number, F_SETFL, O_NONBLOCK) == 0 else { throw .last }

        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        posix_spawn_file_actions_adddup2(&actions, input.number, 0)
        posix_spawn_file_actions_adddup2(&actions, writing.number, 1)
        // Nothing else that this daemon has open, whoever opened it.
        culver_spawn_close_from(&actions, 3)
        culver_spawn_directory(&actions, "/")
        var all = sigset_t()
        var none = sigset_t()
        sigfillset(&all)
        sigemptyset(&none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))

        var process: pid_t = 0
        let failure = withExtendedLifetime((input, writing)) {
            withStrings([wish.path] + wish.arguments) { arguments in
                withStrings(wish.environment) { environment in
                    posix_spawn(&process, wish.path, &actions, &attributes, arguments, environment)
                }
            }
        }
        guard failure == 0 else { throw Errno(failure) }
        return (process, output)
    }

    /// Reads until the program has ended, or has to.
    private func follow(_ process: pid_t, _ output: Descriptor, _ wish: Invocation, _ said: (String) -> Void) -> Ending
    {
        let end = KernelClock.monotonic.now + wish.timeout
        var bytes: [UInt8] = []
        var (total, spoken) = (0, KernelClock.monotonic.now)
        var isOpen = true
        var cause: String?
        while true {
            if isOpen { wait(for: output) } else { usleep(10_000) }
            let isOver = hasEnded(process)
            while isOpen, total <= wish.limit {
                let piece = take(output, upTo: min(16 << 10, wish.limit + 1 - total))
                guard let piece else { break }
                isOpen = !piece.isEmpty
                total += piece.count
                bytes += piece
            }
            if isOver { break }
            if total > wish.limit { cause = "output-too-large" }
            if KernelClock.monotonic.now >= end { cause = "timed-out" }
            if isStopped.withLock({ $0 }) { cause = "interrupted" }
            if cause != nil { break }
            if wish.isStreamed, !bytes.isEmpty, bytes.count >= 16 << 10 || KernelClock.monotonic.now > spoken + 0.25 {
                said(Self.wholeCharacters(&bytes))
                spoken = KernelClock.monotonic.now
            }
        }
        // All of its group, before its number can be another's.
        kill(-process, SIGKILL)
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        let text = String(decoding: bytes, as: UTF8.self)
        switch cause {
        case "timed-out": return Ending(status: 124, output: text, error: cause)
        case let cause?: return Ending(status: 75, output: text, error: cause)
        case nil:
            let signal = status & 0x7F
            return signal == 0
                ? Ending(status: status >> 8 & 0xFF, output: text)
                : Ending(status: 128 + signal, output: text, error: "killed")
        }
    }

    private func wait(for output: Descriptor) {
        var entry = pollfd(fd: output.number, events: Int16(POLLIN), revents: 0)
        _ = poll(&entry, 1, 100)
    }

    /// Its number stays its own until it is waited for.
    private func hasEnded(_ process: pid_t) -> Bool {
        var state = siginfo_t()
        return waitid(P_PID, id_t(process), &state, WEXITED | WNOHANG | WNOWAIT) != 0 || state.si_signo == SIGCHLD
    }

    /// Nothing at the end; `nil` when there is nothing now.
    private func take(_ output: Descriptor, upTo limit: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = read(output.number, &bytes, limit)
        guard count >= 0 else { return nil }
        return Array(bytes.prefix(count))
    }

    /// Takes what is whole; the rest of a character waits for its other bytes.
    private static func wholeCharacters(_ bytes: inout [UInt8]) -> String {
        for left in 0...min(3, bytes.count) {
            guard let text = String(validating: bytes.dropLast(left), as: UTF8.self) else { continue }
            bytes = Array(bytes.suffix(left))
            return text
        }
        defer { bytes = [] }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func withStrings<Result>(_ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result) -> Result
    {
        let copies = strings.map { strdup($0) }
        defer { copies.forEach { free($0) } }
        return body(copies + [nil])
    }
}
