import Foundation
import Records
import Store
import TestSupport
import Testing

@testable import Diagnostics

/// Checks of plain values and files, each by itself.
@Suite struct CheckTests {
    @Test("a queue is well up to four fifths, then a warning, and fails when it is full, in messages or bytes")
    func fill() {
        func result(_ count: Int, _ bytes: Int) -> Check.Result {
            let limit = LimitChecks.Limit(messages: 100, bytes: 1000)
            return Fill(of: "outbox", count: Int64(count), bytes: Int64(bytes), limit: limit).check(
                "outbox", then: "x", hint: "y"
            )
            .result
        }
        #expect(result(80, 800) == .ok)
        #expect(result(81, 0) == .warn)
        #expect(result(0, 801) == .warn)
        #expect(result(100, 0) == .fail)
        #expect(result(0, 1000) == .fail)
    }

    @Test("messages that no broker takes are named with the reason, those that merely wait are not")
    func refused() throws {
        let scratch = try TemporaryDirectory()
        let store = try MessageStore(path: scratch.file("messages.sqlite"), limits: StoreLimits())
        let limit = LimitChecks.Limit(messages: 100, bytes: 1 << 20)
        func outbox() throws -> [Check] {
            try LimitChecks(of: store, outbox: limit, inbox: limit, parked: limit).checks().filter {
                $0.name == "outbox"
            }
        }
        func put(_ id: String, _ reason: String?) throws {
            try store.apply(
                .outgoing(
                    Outgoing(
                        id: id, sn: 1, sender: .sample("moki@A"), recipient: .person(.sample("hulk@B")), request: [1],
                        body: .content("{}"), state: .queued, reason: reason, created: 1, due: 1, expires: 9)))
        }
        try put("one", nil)
        try put("two", "nobody-subscribed")
        #expect(try outbox().map(\.result) == [.ok])
        try put("three", "broker-refused: broker lan takes no message of 100000 bytes")
        try put("four", "broker-refused: not authorized (135)")
        let checks = try outbox()
        #expect(checks.map(\.result) == [.ok, .warn])
        #expect(checks[1].text.hasPrefix("message three to hulk@"))
        #expect(checks[1].text.hasSuffix(" and 1 more is not taken: broker lan takes no message of 100000 bytes"))
    }

    @Test("a password that others can read and a configuration that they can change fail, and are mended")
    func configurationFiles() throws {
        let scratch = try TemporaryDirectory()
        let (main, password) = (try scratch.write("c", ""), try scratch.write("p", "x"))
        chmod(main, 0o646)
        chmod(password, 0o644)
        let files = ConfigurationFiles(open: [main], secret: [password, scratch.file("nowhere")])
        #expect(files.checks(mends: false).map(\.hint) == ["chmod 644 \(main)", "chmod 640 \(password)"])
        #expect(files.checks(mends: true).map(\.result) == [.ok, .ok])
        #expect(files.checks(mends: false).map(\.text) == ["its files are for those only who may have them"])
    }

    @Test("a clock that is not set fails, and so does a twin; a directory of another board is a warning")
    func board() {
        func results(isClockSet: Bool, isForeign: Bool) -> [Check.Result] {
            BoardChecks(isClockSet: isClockSet, twin: nil, isForeign: isForeign, path: "/x").checks.map(\.result)
        }
        #expect(results(isClockSet: true, isForeign: false) == [.ok])
        #expect(results(isClockSet: false, isForeign: true) == [.fail, .warn])
        let twin = BoardChecks(isClockSet: true, twin: .everyone, isForeign: false, path: "/x").checks
        #expect(twin.map(\.result) == [.ok, .fail])
        #expect(twin.map(\.name) == ["clock", "clone"])
    }
}
