import CLinux
import Glibc
import System

/// A program that this daemon has started: without a shell, in `/`, with nothing open but its input, the output that is read
/// here and the daemon's standard error, in a process group that ends with it. It is of one thread, which it blocks.
final class ChildProgram {
    enum Exit: Equatable {
        /// 0 to 255.
        case status(Int32)
        case signal(Int32)
    }

    private let process: pid_t
    private let output: Descriptor
    private var isOpen = true
    private var end: Exit?

    /// `environment`: `NAME=value`, all that it sees.
    init(_ path: String, arguments: [String], environment: [String], input: Descriptor) throws(Errno) {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw .last }
        let writing = Descriptor(owning: ends[1])
        output = Descriptor(owning: ends[0])
        for end in ends { Descriptor.closeOnExec(end) }
        guard fcntl(output.number, F_SETFL, O_NONBLOCK) == 0 else { throw .last }
        process = try withExtendedLifetime((input, writing)) { () throws(Errno) in
            try Self.spawn(
                path, arguments, environment: environment, input: input.number, output: writing.number)
        }
    }

    deinit { finish() }

    private static func spawn(
        _ path: String, _ arguments: [String], environment: [String], input: Int32, output: Int32
    ) throws(Errno) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        posix_spawn_file_actions_adddup2(&actions, input, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        // Nothing else that this daemon has open, whoever opened it.
        culver_spawn_close_from(&actions, 3)
        culver_spawn_directory(&actions, "/")
        var (all, none) = (sigset_t(), sigset_t())
        sigfillset(&all)
        sigemptyset(&none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
        var process: pid_t = 0
        let failure = withStrings([path] + arguments) { words in
            withStrings(environment) { posix_spawn(&process, path, &actions, &attributes, words, $0) }
        }
        guard failure == 0 else { throw Errno(failure) }
        return process
    }

    /// Waits until it says something or ends, and for no more than a tenth of a second.
    func wait() {
        guard isOpen else {
            usleep(10_000)
            return
        }
        var entry = pollfd(fd: output.number, events: Int16(POLLIN), revents: 0)
        _ = poll(&entry, 1, 100)
    }

    /// What it has said; `nil` when there is nothing now, or nothing more.
    func read(limit: Int) -> [UInt8]? {
        guard isOpen else { return nil }
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = Glibc.read(output.number, &bytes, limit)
        if count == 0 { isOpen = false }
        return count > 0 ? Array(bytes.prefix(count)) : nil
    }

    /// What it said until then can be read. Its number stays its own until `finish`.
    var hasEnded: Bool {
        guard end == nil else { return true }
        var state = siginfo_t()
        return waitid(P_PID, id_t(process), &state, WEXITED | WNOHANG | WNOWAIT) != 0 || state.si_signo == SIGCHLD
    }

    /// It and all of its group end, if they have not. Asked again it says the same, and ends nobody: the number may be
    /// another's by then.
    @discardableResult
    func finish() -> Exit {
        if let end { return end }
        kill(-process, SIGKILL)
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        let signal = status & 0x7F
        let end = signal == 0 ? Exit.status(status >> 8 & 0xFF) : .signal(signal)
        self.end = end
        return end
    }

    private static func withStrings<Result>(
        _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
    ) -> Result {
        let copies = strings.map { strdup($0) }
        defer { copies.forEach { free($0) } }
        return body(copies + [nil])
    }
}
