import DIMP
import Foundation
import Glibc
import Records
import Testing

@testable import Agent
@testable import culverd

/// Programs of calls, without messages.
@MainActor @Suite struct CallProgramsTests {
    private let rig: Rig
    private let programs: CallPrograms
    private let said = Said()

    @MainActor private final class Said {
        var news: [CallNews] = []
    }

    init() throws {
        rig = try Rig()
        programs = CallPrograms(loop: rig.loop, notify: { _, _, _ in true }, owner: geteuid())
        programs.tell = { [said] in said.news.append($0) }
    }

    private static let touch = real("/usr/bin/touch")

    /// Of root's, and no link.
    private static func real(_ path: String) -> String {
        guard let real = realpath(path, nil) else { return path }
        defer { free(real) }
        return String(cString: real)
    }

    private var marker: String { rig.directory + "/marker" }
    private var hasRun: Bool { FileManager.default.fileExists(atPath: marker) }

    private func run(deadline: Double, program: String? = touch, _ arguments: [String]? = nil) -> CallRun {
        CallRun(
            key: ServedCall.Name(caller: .sample("hulk@A"), call: "c1"), owner: .sample("moki@B"),
            rule: CallRule(command: "x", allowed: [], program: program), deadline: deadline,
            arguments: arguments ?? [marker])
    }

    private var results: [CallResult] {
        said.news.compactMap { if case .said(_, let result) = $0 { result } else { nil } }
    }

    private func waitForPrograms() async throws {
        while programs.isRunning { try await Task.sleep(for: .milliseconds(10)) }
    }

    @Test("a program begins before the deadline and not past it, nor is a call handed on then")
    func deadline() async throws {
        programs.serve(CallRule(command: "x", allowed: []), on: .init(1))
        said.news = []
        for program in [Self.touch, nil] { programs.run(run(deadline: rig.loop.clock.now.wall - 1, program: program)) }
        try await waitForPrograms()
        #expect(!hasRun && results.map(\.error) == ["expired", "expired"])
        programs.run(run(deadline: rig.loop.clock.now.wall + 60))
        try await waitForPrograms()
        #expect(hasRun && results.last == CallResult(status: 0, output: ""))
    }

    @Test("no program begins after the end, and what runs then is ended")
    func ending() async throws {
        programs.run(run(deadline: rig.loop.clock.now.wall + 60, program: Self.real("/usr/bin/sleep"), ["600"]))
        programs.stopAll()
        programs.run(run(deadline: rig.loop.clock.now.wall + 60))
        try await waitForPrograms()
        #expect(!hasRun && results.map(\.error) == ["interrupted"])
    }

    private func invocation(_ path: String, _ arguments: [String], timeout: Double = 60) -> ProgramRun.Invocation {
        ProgramRun.Invocation(
            path: path, arguments: arguments, environment: [], input: "", timeout: timeout, limit: 1 << 20,
            isStreamed: true, owner: geteuid())
    }

    @Test("a program that was stopped before it began never begins")
    func stopped() {
        let program = ProgramRun(invocation(Self.touch, [marker]))
        program.stop()
        #expect(program.run { _ in }.error == "interrupted")
        #expect(!hasRun)
        #expect(ProgramRun(invocation(Self.touch, [marker])).run { _ in }.status == 0)
        #expect(hasRun)
    }

    @Test("what may run for a day says fewer pieces than its caller takes", arguments: [1, 60, 3_600, 86_400.0])
    func pace(timeout: Double) {
        let pause = invocation("/", [], timeout: timeout).pause
        // And the pieces of 16 KiB that the largest output has.
        #expect(timeout / pause + 64 < Double(Tuning.callParts))
    }

    // MARK: - Processes

    private func start(_ words: String) throws -> ChildProgram {
        try ChildProgram(
            "/bin/sh", arguments: ["-c", words], environment: ["PATH=/usr/bin:/bin"],
            input: .init(following: "/dev/null", flags: O_RDONLY))
    }

    private func output(_ program: ChildProgram) -> String {
        var bytes: [UInt8] = []
        while true {
            let isOver = program.hasEnded
            while let piece = program.read(limit: 4_096) { bytes += piece }
            if isOver { return String(decoding: bytes, as: UTF8.self) }
            program.wait()
        }
    }

    @Test("a program has three descriptors, and works in the root directory")
    func descriptors() throws {
        let open = Inherited.open()
        defer { close(open) }
        let program = try start("ls /proc/self/fd; pwd")
        // The fourth is the directory that ls reads.
        #expect(output(program).split(separator: "\n") == ["0", "1", "2", "3", "/"])
        #expect(program.finish() == .status(0))
    }

    @Test("all of a group ends with its program, and nobody after it")
    func groups() throws {
        let program = try start("sleep 600 & echo $!")
        let child = try #require(pid_t(output(program).trimmingCharacters(in: .whitespacesAndNewlines)))
        #expect(program.finish() == .status(0))
        // It may wait for its own parent to be taken out.
        var looks = 0
        while !Self.isDead(child), looks < 10_000 {
            usleep(1_000)
            looks += 1
        }
        #expect(Self.isDead(child))
        #expect(program.finish() == .status(0))
        #expect(try start("kill -9 $$").finish() == .signal(9))
    }

    private static func isDead(_ process: pid_t) -> Bool {
        let status = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
        return status?.contains(") Z ") ?? true
    }
}

/// A descriptor that programs would inherit.
private enum Inherited {
    static func open() -> Int32 { Glibc.open("/dev/null", O_RDONLY) }
}
