import Glibc
import System

/// A program of the owner's that moves bytes of a file (`[files] upload` and `download`), for no longer than `patience`.
/// Blocks its thread.
struct FileProgram: Sendable {
    enum Failure: Error {
        case cannotRun(Errno)
        /// More than 255 for a signal.
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
        let program = try start(input)
        defer { program.finish() }
        let end = KernelClock.monotonic.now + Self.patience
        var total: Int64 = 0
        while true {
            let isOver = program.hasEnded
            while let bytes = program.read(limit: Self.portion) {
                total += Int64(bytes.count)
                guard total <= limit else { throw Failure.tooMuch }
                try take(bytes)
                guard KernelClock.monotonic.now < end else { throw Failure.tooSlow }
            }
            if isOver { break }
            guard KernelClock.monotonic.now < end else { throw Failure.tooSlow }
            program.wait()
        }
        switch program.finish() {
        case .status(0): return
        case .status(let status): throw Failure.status(status)
        case .signal(let signal): throw Failure.status(256 + signal)
        }
    }

    private func start(_ input: Descriptor?) throws(Failure) -> ChildProgram {
        do throws(Errno) {
            let given = if let input { input } else { try Descriptor(following: "/dev/null", flags: O_RDONLY) }
            return try ChildProgram(
                path, arguments: arguments,
                environment: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"] + environment,
                input: given)
        } catch {
            throw .cannotRun(error)
        }
    }
}
