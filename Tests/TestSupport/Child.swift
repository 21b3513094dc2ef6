import Glibc
import System

/// A program that a test started. It is ended by its process id, at the latest when the value is released.
package final class Child: @unchecked Sendable {
    package let pid: Int32
    /// Guarded by nothing: one test owns one child.
    private var status: Int32?

    /// - Parameter output: a file for what it prints; absent: nowhere.
    package init(_ program: String, _ arguments: [String], output: String? = nil) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, output ?? "/dev/null", O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        // Dispatch blocks signals in its threads, and a child would inherit that.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var words = ([program] + arguments).map { strdup($0) } + [nil]
        defer { words.forEach { free($0) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, program, &actions, &attributes, &words, environ)
        guard code == 0 else { throw TestFailure("cannot start \(program): \(Errno(code))") }
        self.pid = pid
    }

    deinit { end(SIGKILL) }

    /// Whether it still runs.
    package var isRunning: Bool {
        guard status == nil else { return false }
        var code: Int32 = 0
        guard waitpid(pid, &code, WNOHANG) == pid else { return true }
        status = code
        return false
    }

    /// Waits for its end.
    ///
    /// - Returns: the exit code, or the signal as a negative number.
    @discardableResult
    package func wait() -> Int32 {
        var code: Int32 = status ?? 0
        while status == nil {
            if waitpid(pid, &code, 0) == pid { status = code } else if errno != EINTR { status = 0 }
        }
        return code & 0x7f == 0 ? code >> 8 & 0xff : -(code & 0x7f)
    }

    /// Sends a signal and waits for the end.
    package func end(_ signal: Int32) {
        guard isRunning else { return }
        kill(pid, signal)
        wait()
    }

    /// Runs a program to its end, which must be a good one.
    package static func run(_ program: String, _ arguments: [String]) throws {
        let code = try Child(program, arguments).wait()
        guard code == 0 else { throw TestFailure("\(program) \(arguments.joined(separator: " ")) ended with \(code)") }
    }
}
