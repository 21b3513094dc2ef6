import CLinux
import Dispatch
import Glibc
import Synchronization
import System

/// One program that runs for a call, on a thread of its own.
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

        /// Seconds between two pieces of output that are no whole portion: fewer pieces than a caller takes, however long it
        /// runs.
        var pause: Double { max(0.25, timeout / 3_900) }
    }

    /// How it ended: a status from 0 to 255, and a word where it did not end by itself.
    struct Ending: Sendable {
        var status: Int32
        var output: String
        var error: String?
    }

    private let wish: Invocation
    private let isStopped = Mutex(false)
    /// Bytes of output that go to the caller at once.
    private static let portion = 16 << 10

    init(_ wish: Invocation) {
        self.wish = wish
    }

    /// `said` gets output as it comes, if that is wanted; `ended` the rest, once.
    func begin(said: @escaping @Sendable (String) -> Void, ended: @escaping @Sendable (Ending) -> Void) {
        DispatchQueue(label: "culver.call").async { ended(self.run(said)) }
    }

    /// Ends it soon, or before it begins.
    func stop() { isStopped.withLock { $0 = true } }

    /// Blocks its thread until the end.
    func run(_ said: (String) -> Void) -> Ending {
        if Executable.fault(of: wish.path, owner: wish.owner) != nil {
            return Ending(status: 77, output: "", error: "unsafe-program")
        }
        guard !isStopped.withLock({ $0 }) else { return Ending(status: 75, output: "", error: "interrupted") }
        do throws(Errno) {
            return follow(try start(), said)
        } catch {
            return Ending(status: 126, output: "", error: "cannot-run")
        }
    }

    private func start() throws(Errno) -> ChildProgram {
        let memory = culver_memory_file("input")
        guard memory >= 0 else { throw .last }
        let input = Descriptor(owning: memory)
        try input.write(Array(wish.input.utf8))
        lseek(memory, 0, SEEK_SET)
        return try ChildProgram(
            wish.path, arguments: wish.arguments, environment: wish.environment, input: input)
    }

    /// Reads until the program has ended, or has to.
    private func follow(_ program: ChildProgram, _ said: (String) -> Void) -> Ending {
        let end = KernelClock.monotonic.now + wish.timeout
        var bytes: [UInt8] = []
        var (total, spoken) = (0, KernelClock.monotonic.now)
        var cause: String?
        while cause == nil {
            program.wait()
            let isOver = program.hasEnded
            while total <= wish.limit, let piece = program.read(limit: min(Self.portion, wish.limit + 1 - total)) {
                total += piece.count
                bytes += piece
            }
            if isOver { break }
            let now = KernelClock.monotonic.now
            if total > wish.limit { cause = "output-too-large" }
            if now >= end { cause = "timed-out" }
            if isStopped.withLock({ $0 }) { cause = "interrupted" }
            if cause == nil, wish.isStreamed, bytes.count >= Self.portion || now > spoken + wish.pause {
                let text = Self.wholeCharacters(&bytes)
                spoken = now
                if !text.isEmpty { said(text) }
            }
        }
        let how = program.finish()
        let text = String(decoding: bytes, as: UTF8.self)
        switch (cause, how) {
        case ("timed-out"?, _): return Ending(status: 124, output: text, error: cause)
        case (let cause?, _): return Ending(status: 75, output: text, error: cause)
        case (nil, .status(let status)): return Ending(status: status, output: text)
        case (nil, .signal(let signal)): return Ending(status: 128 + signal, output: text, error: "killed")
        }
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
}
