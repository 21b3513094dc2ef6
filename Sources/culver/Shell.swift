import CLinux
import Format
import Glibc
import System

/// `--exec`: a shell command for one message.
enum Shell {
    /// The command's status; 128 and the number of the signal that ended it.
    static func run(_ command: String, for message: JSON) throws -> Int32 {
        let input = try file(with: message.bytes + [UInt8(ascii: "\n")])
        try Screen.flush()

        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input.number, 0)

        var process: pid_t = 0
        let failure = withExtendedLifetime(input) {
            withStrings(["/bin/sh", "-c", command]) { arguments in
                withStrings(variables(of: message)) { own in
                    posix_spawn(&process, "/bin/sh", &actions, nil, arguments, inherited() + own)
                }
            }
        }
        guard failure == 0 else {
            throw ToolFailure(.io, "cannot-run", "cannot run /bin/sh: \(Errno(failure))")
        }
        return status(of: process)
    }

    /// What the message says. A text that no variable can hold is on standard input alone.
    private static func variables(of message: JSON) -> [String] {
        var own = [
            "CULVER_SENDER=\(message.text("sender"))", "CULVER_ID=\(message.text("id"))",
            "CULVER_SEQ=\(message.count("seq"))", "CULVER_SN=\(message.count("sn"))",
        ]
        if let subject = message["subject"]?.string { own.append("CULVER_SUBJECT=\(subject)") }
        if let data = message["data"] { own.append("CULVER_DATA=\(data.text)") }
        if let text = message["content"]?["text"]?.string { own.append("CULVER_TEXT=\(text)") }
        return own.filter { !$0.utf8.contains(0) && $0.utf8.count < 100_000 }
    }

    private static let names = [
        "CULVER_SENDER=", "CULVER_ID=", "CULVER_SEQ=", "CULVER_SN=", "CULVER_TEXT=", "CULVER_SUBJECT=", "CULVER_DATA=",
    ]

    /// Our own environment as it is, UTF-8 or not, without what an outer command was told of its message.
    private static func inherited() -> [UnsafeMutablePointer<CChar>?] {
        var entries: [UnsafeMutablePointer<CChar>?] = []
        var next = culver_environment()
        while let here = next, let entry = here.pointee {
            if !names.contains(where: { strncmp(entry, $0, $0.utf8.count) == 0 }) { entries.append(entry) }
            next = here.successor()
        }
        return entries
    }

    /// A file without a name, to be read from its start: a command that reads nothing holds up nobody.
    private static func file(with bytes: [UInt8]) throws -> Descriptor {
        do throws(Errno) {
            let number = culver_memory_file("message")
            guard number >= 0 else { throw .last }
            let file = Descriptor(owning: number)
            try file.write(bytes)
            lseek(number, 0, SEEK_SET)
            return file
        } catch {
            throw ToolFailure(.io, "cannot-run", "cannot hand over the message: \(error)")
        }
    }

    private static func status(of process: pid_t) -> Int32 {
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        let signal = status & 0x7F
        return signal == 0 ? status >> 8 & 0xFF : 128 + signal
    }

    private static func withStrings<Result>(
        _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
    ) -> Result {
        let copies = strings.map { strdup($0) }
        defer { copies.forEach { free($0) } }
        return body(copies + [nil])
    }
}
