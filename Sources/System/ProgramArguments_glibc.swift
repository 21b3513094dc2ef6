import Glibc

/// What this program was started with, byte by byte as the kernel has it.
///
/// `CommandLine.arguments` would not do: it replaces what is not UTF-8, so that two arguments may become one, and it
/// loses all of them when a preloaded library has set an environment variable before `main`.
package enum ProgramArguments {
    /// Without the program's own name, which stands first.
    package static var bytes: [[UInt8]] {
        guard let line = try? line() else { return runtimes }
        // Each argument ends with a NUL, an empty one is that NUL alone.
        return line.split(separator: 0, omittingEmptySubsequences: false).dropLast().dropFirst().map(Array.init)
    }

    /// /proc/self/cmdline, proc_pid_cmdline(5).
    private static func line() throws(Errno) -> [UInt8] {
        let file = try Descriptor(following: "/proc/self/cmdline", flags: O_RDONLY)
        let piece = 64 << 10
        var line: [UInt8] = []
        repeat { line += try file.read(limit: piece) } while !line.isEmpty && line.count.isMultiple(of: piece)
        guard line.last == 0 else { throw Errno(ENODATA) }
        return line
    }

    /// Where /proc is not mounted, what the runtime has.
    private static var runtimes: [[UInt8]] {
        (0..<Int(CommandLine.argc)).dropFirst().compactMap { index in
            CommandLine.unsafeArgv[index].map { text in
                UnsafeBufferPointer(start: text, count: strlen(text)).map { UInt8(bitPattern: $0) }
            }
        }
    }
}
