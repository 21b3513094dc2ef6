import DIMP
import Format
import Records
import TestSupport
import Testing

@testable import Agent

/// Calls between two boards: moki calls, hulk has the program.
@Suite struct CallTests {
    private let pair: Pair
    private let hulk = People.hulk
    private let moki = People.moki

    init() {
        pair = Pair.friends()
        pair.b.policy.calls = [Self.rule()]
    }

    private static func rule(
        allowed: [CallRule.Caller] = [.id(People.moki.id)], rate: Int = 60, output: Int = 100,
        arguments: [ArgumentRule] = []
    ) -> CallRule {
        CallRule(
            command: "open-gate", allowed: allowed, program: "/bin/gate", output: output, rate: rate,
            arguments: arguments)
    }

    private func call(
        _ name: String = "c1", _ command: String = "open-gate", args: [JSON] = [], deadline: Double = Pair.start + 30
    ) throws {
        try pair.a.ledger.apply(
            .calling(
                Calling(
                    call: name, sender: moki.id.bare, receiver: hulk.id.bare, request: "", deadline: deadline)))
        _ = pair.submit(
            .customized,
            [
                "app": "culver", "mod": "call", "act": .string(command), "call": .string(name),
                "deadline": .number(deadline), "args": .array(args),
            ])
        pair.settle()
    }

    private func say(_ result: CallResult, _ name: String = "c1") {
        pair.feed(1, .call(.said(key(name), result)))
        pair.settle()
    }

    private func key(_ name: String) -> ServedCall.Name { ServedCall.Name(caller: moki.id.bare, call: name) }

    private var runs: [CallRun] {
        pair.b.orders.compactMap { if case .run(let run) = $0 { run } else { nil } }
    }

    private var answers: [JSON] { pair.a.ledger.state.answers.compactMap { try? JSON(parsing: $0.text) } }
    private var audit: [JSON] {
        pair.b.ledger.state.audit.compactMap {
            try? JSON(parsing: String($0.text.split(separator: " ", maxSplits: 1)[1]))
        }
    }
    private var words: [String] { audit.compactMap { $0["what"]?.string } }

    @Test("a call is written down, run once and answered, and both are in the audit")
    func once() throws {
        try call()
        #expect(runs.map(\.key) == [key("c1")])
        #expect(pair.b.ledger.state.served.map(\.answer) == [nil])
        #expect(answers.isEmpty && pair.b.inbox.isEmpty)
        say(CallResult(status: 3, output: "open"))
        #expect(answers == [["part": 0, "status": 3, "output": "open", "final": true]])
        #expect(pair.a.inbox.isEmpty && words == ["begun", "ended"])
        #expect(audit.last?["status"] == 3 && audit.last?["caller"]?.string == moki.id.bare.text)
    }

    @Test("a second message with the name of a call gets its answer and runs nothing, before and after a restart")
    func repeats() throws {
        try call()
        try call()
        #expect(runs.count == 1 && answers.isEmpty)
        say(CallResult(status: 0, output: "open"))
        pair.a.ledger.state.answers = []
        try call()
        #expect(runs.count == 1 && answers.map { $0["output"] } == ["open"])
        pair.restart(1)
        pair.a.ledger.state.answers = []
        try call()
        #expect(runs.count == 1 && answers.map { $0["output"] } == ["open"])
        #expect(words == ["begun", "ended", "repeated", "repeated"])
    }

    @Test("what ran when the power was cut is interrupted and not run again")
    func interrupted() throws {
        try call()
        pair.restart(1)
        pair.feed(1, .call(.restarted))
        pair.linkAll()
        pair.settle()
        #expect(answers.map { $0["error"] } == ["interrupted"] && runs.count == 1)
        // What its program says now is nobody's any more.
        say(CallResult(status: 0, output: "late"))
        #expect(answers.count == 1 && words == ["begun", "interrupted"])
        pair.feed(1, .call(.restarted))
        #expect(words == ["begun", "interrupted"])
    }

    @Test("an answer that was not sealed before the end goes at the next start, and never twice")
    func answeredAgain() throws {
        try call()
        pair.feed(1, .call(.said(key("c1"), CallResult(status: 0, output: "open"))))
        pair.dropJobs()
        for _ in 0..<3 {
            pair.restart(1)
            pair.feed(1, .call(.restarted))
            pair.settle()
        }
        #expect(answers.map { $0["output"] } == ["open"] && runs.count == 1)
        #expect(pair.b.ledger.state.outgoing.count == 1)
    }

    @Test("what a program said while the disk failed is written down when it works again")
    func heldWords() throws {
        try call()
        pair.b.ledger.isFull = true
        say(CallResult(status: 0, output: "open"))
        #expect(answers.isEmpty && pair.b.ledger.state.served.map(\.answer) == [nil])
        pair.b.ledger.isFull = false
        pair.advance(2)
        #expect(answers.map { $0["output"] } == ["open"] && words == ["begun", "ended"])
    }

    @Test(
        "what may not run is refused with the reason, and runs nothing",
        arguments: [
            ("no-such-command", "other", 30.0), ("expired", "open-gate", 0.0), ("bad-deadline", "open-gate", 86_500.0),
        ])
    func refused(reason: String, command: String, deadline: Double) throws {
        try call("c1", command, deadline: Pair.start + deadline)
        #expect(runs.isEmpty && pair.b.ledger.state.served.isEmpty)
        #expect(answers.map { $0["error"]?.string } == [reason])
        #expect(answers.first?["status"] == (reason == "expired" ? 75 : 77))
        #expect(words == ["refused"] && audit[0]["reason"]?.string == reason)
    }

    @Test("only those that a rule names may call", arguments: [true, false])
    func permitted(isVerified: Bool) throws {
        pair.b.policy.calls = [Self.rule(allowed: [.verified, .name("somebody")])]
        if isVerified, var contact = pair.b.book.contact(moki.id.address) {
            contact.trust = .verified
            pair.b.book.apply(.contact(contact))
        }
        try call()
        #expect(runs.count == (isVerified ? 1 : 0))
        #expect(answers.compactMap { $0["error"]?.string } == (isVerified ? [] : ["not-permitted"]))
    }

    /// A group with this founder alone.
    private func lamps(of founder: ID) -> KnownGroup {
        var group = KnownGroup(Club(foundedBy: hulk).id, foundedBy: founder)
        group.name = "lamps"
        return group
    }

    @Test("a rule that names a group lets its members call, and nobody else", arguments: [true, false])
    func permittedToGroup(isMember: Bool) throws {
        let group = lamps(of: isMember ? moki.id : People.carol.id)
        pair.b.book.apply(.group(group))
        for (name, caller) in [("c1", CallRule.Caller.name("lamps")), ("c2", .id(group.id))] {
            pair.b.policy.calls = [Self.rule(allowed: [caller])]
            try call(name)
        }
        #expect(runs.count == (isMember ? 2 : 0))
        #expect(answers.compactMap { $0["error"]?.string } == (isMember ? [] : ["not-permitted", "not-permitted"]))
    }

    @Test("of a group that was called each member answers, and nobody else", arguments: [true, false])
    func answersOfGroup(isMember: Bool) throws {
        let group = lamps(of: isMember ? hulk.id : People.carol.id)
        pair.a.book.apply(.group(group))
        try call()
        pair.a.ledger.state.callings = [
            Calling(call: "c1", sender: moki.id.bare, receiver: group.id, request: "", deadline: Pair.start + 30)
        ]
        say(CallResult(status: 0, output: "open"))
        #expect(answers.map { $0["output"]?.string } == (isMember ? ["open"] : []))
        #expect(pair.a.rejections.map(\.reason).contains("an answer by somebody else") == !isMember)
    }

    @Test("what came without a seal is no call")
    func unsealed() throws {
        pair.a.policy.calls = [Self.rule(allowed: [.id(hulk.id)])]
        pair.a.befriend(hulk, isCulver: false, visa: People.stockHulk)
        let content = Content(
            type: .customized, sn: 7, time: Pair.start,
            [
                "app": "culver", "mod": "call", "act": "open-gate", "call": "c9",
                "deadline": .number(Pair.start + 30), "args": [],
            ])
        pair.lay(try hulk.stockMessage(content, to: moki), on: 0)
        pair.settle()
        #expect(pair.a.orders.isEmpty && pair.a.ledger.state.served.isEmpty && pair.a.inbox.isEmpty)
        #expect(pair.a.ledger.state.audit.count == 1)
        #expect(pair.a.ledger.state.audit.first?.text.contains("not-sealed") == true)
    }

    @Test("more calls than the rate are refused until time has passed")
    func rate() throws {
        pair.b.policy.calls = [Self.rule(rate: 2)]
        for name in ["c1", "c2", "c3"] { try call(name) }
        #expect(runs.count == 2 && answers.map { $0["error"] } == ["too-many-calls"])
        pair.advance(30)
        try call("c4", deadline: pair.now.wall + 30)
        #expect(runs.count == 3)
    }

    @Test("output beyond the limit is cut, and what writes it is ended")
    func output() throws {
        try call()
        say(CallResult(status: 0, output: String(repeating: "é", count: 60), isFinal: false))
        #expect(answers.first?["output"]?.string == String(repeating: "é", count: 50))
        #expect(answers.first?["error"] == "output-too-large" && answers.first?["final"] == true)
        let stops = pair.b.orders.filter { if case .stop = $0 { true } else { false } }
        #expect(stops.count == 1)
        say(CallResult(status: 0, output: "more"))
        #expect(answers.count == 1)
    }

    @Test("what is said before the end comes in parts")
    func streamed() throws {
        try call()
        for text in ["a", "b"] { say(CallResult(status: 0, output: text, isFinal: false)) }
        say(CallResult(status: 1, output: "c"))
        #expect(answers.map { $0["output"] } == ["a", "b", "c"] && answers.map { $0["part"] } == [0, 1, 2])
        #expect(answers.map { $0["final"] } == [false, false, true])
    }

    @Test("the switch refuses new calls, ends those that run, and holds through a restart")
    func switched() throws {
        try call()
        pair.feed(1, .call(.switched(on: false)))
        pair.settle()
        #expect(answers.map { $0["error"] } == ["interrupted"])
        pair.restart(1)
        pair.linkAll()
        try call("c2")
        #expect(answers.last?["error"] == "calls-off" && runs.count == 1)
        pair.feed(1, .call(.switched(on: true)))
        try call("c3")
        #expect(runs.count == 2)
    }

    // MARK: - Books that are not the ones that were

    /// What a broker keeps, or somebody lays there again.
    private func layAgain() {
        for message in pair.messages(from: 0, to: hulk.id.address) { pair.lay(message) }
    }

    @Test(
        "a call that ran before the books were lost, or came back from a backup, does not run again",
        arguments: [true, false])
    func booksGone(isLost: Bool) throws {
        pair.feed(1, .call(.restarted))
        let backup = pair.b.ledger.state
        pair.advance(1)
        try call(deadline: Pair.start + 3600)
        say(CallResult(status: 0, output: "open"))
        pair.advance(5)
        pair.b.ledger.state = isLost ? MemoryLedger().state : backup
        pair.restart(1)
        if !isLost {
            pair.b.ledger.state.values[.auditFront] = "1 of the files that were"
            pair.feed(1, .restored)
            #expect(pair.b.ledger.state.values[.auditFront] == nil)
        }
        pair.feed(1, .call(.restarted))
        layAgain()
        #expect(runs.count == 1)
        #expect(audit.filter { $0["what"] == "refused" }.map { $0["reason"] } == ["restored"])
        // What is written from now on runs.
        pair.advance(1)
        try call("c2", deadline: Pair.start + 3600)
        #expect(runs.map(\.key.call) == ["c1", "c2"])
    }

    @Test(
        "books that began while the clock was unset count from when it is set, and a clock that was ahead is put right")
    func clocks() throws {
        pair.b.isClockSet = false
        pair.feed(1, .call(.restarted))
        #expect(pair.b.ledger.state.values[.callsSince] == nil)
        pair.b.isClockSet = true
        pair.feed(1, .ticked)
        #expect(pair.b.ledger.state.values[.callsSince].flatMap(Double.init) == Pair.start)
        pair.b.ledger.state.values[.callsSince] = "\(Pair.start + 1e8)"
        try call()
        #expect(runs.count == 1)
        #expect(pair.b.ledger.state.values[.callsSince].flatMap(Double.init) == Pair.start)
    }

    @Test("calls that are off stay off without the database's word, and without the file's", arguments: [true, false])
    func offWithoutOneWord(isDatabaseLost: Bool) throws {
        pair.feed(1, .call(.switched(on: false)))
        if isDatabaseLost {
            pair.b.ledger.state.values[.callsOff] = nil
        } else {
            pair.b.book.state.areCallsOff = false
        }
        try call()
        #expect(runs.isEmpty && answers.map { $0["error"] } == ["calls-off"])
        // The next start has both again.
        pair.restart(1)
        pair.feed(1, .call(.restarted))
        #expect(pair.b.ledger.state.values[.callsOff] != nil && pair.b.book.areCallsOff)
        pair.feed(1, .call(.switched(on: true)))
        try call("c2")
        #expect(runs.count == 1)
    }

    @Test("an answer by somebody that was not called, or to no call, is refused and kept nowhere")
    func foreignAnswers() throws {
        try call()
        say(CallResult(status: 0, output: "open"))
        pair.a.ledger.state.answers = []
        // The row says that another was called.
        pair.a.ledger.state.callings = [
            Calling(call: "c1", sender: moki.id.bare, receiver: moki.id.bare, request: "", deadline: Pair.start + 30)
        ]
        try call("c2")
        pair.a.ledger.state.callings.removeAll { $0.call == "c2" }
        say(CallResult(status: 0, output: "open"), "c2")
        #expect(answers.isEmpty && pair.a.inbox.isEmpty)
        #expect(pair.a.rejections.map(\.reason).contains("an answer to no call"))
        pair.feed(1, .submitted(forged("c1")))
        pair.settle()
        #expect(answers.isEmpty && pair.a.rejections.map(\.reason).contains("an answer by somebody else"))
    }

    private func forged(_ name: String) -> Submission {
        Submission(
            token: 99, sender: hulk.id, receiver: moki.id, type: .customized,
            members: [
                "app": "culver", "mod": "reply", "act": "open-gate", "call": .string(name), "part": 0, "status": 0,
                "output": "open", "final": true,
            ])
    }

    @Test("a program on the socket serves as long as it is there, to those whom it allows")
    func served() throws {
        pair.b.policy.calls = []
        try call("c1")
        pair.feed(1, .call(.serves(CallRule(command: "open-gate", allowed: [.id(moki.id)]))))
        try call("c2")
        pair.feed(1, .call(.left(command: "open-gate")))
        try call("c3")
        #expect(runs.map(\.key.call) == ["c2"])
        #expect(answers.map { $0["error"] } == ["no-such-command", "no-such-command"])
    }

    @Test("the section as it is now is the rule for a program on the socket, and none when it is gone")
    func sections() throws {
        let section = CallRule(command: "open-gate", allowed: [.id(moki.id)], rate: 1, arguments: [])
        pair.b.policy.calls = [section]
        // As a program says it that leaves permission to the section.
        pair.feed(1, .call(.serves(CallRule(command: "open-gate", allowed: [], arguments: [ArgumentRule()]))))
        try call("c1")
        try call("c2")
        #expect(runs.count == 1 && answers.last?["error"] == "too-many-calls")
        pair.b.policy.calls = []
        pair.advance(60)
        try call("c3", args: ["x"], deadline: pair.now.wall + 30)
        #expect(runs.count == 1 && answers.last?["error"] == "not-permitted")
        pair.feed(
            1, .call(.serves(CallRule(command: "open-gate", allowed: [.id(moki.id)], arguments: [ArgumentRule()]))))
        pair.b.policy.calls = [CallRule(command: "open-gate", allowed: [.id(moki.id)])]
        try call("c4", args: ["x"], deadline: pair.now.wall + 30)
        #expect(runs.count == 1 && answers.last?["error"] == "bad-argument")
    }

    // MARK: - Many

    /// Without news of moki's own: what is refused comes back as messages.
    @Test("refusals beyond the budget are one line with a count, and repeats beyond it none")
    func manyRefusals() throws {
        for number in 0..<100 { try call("r\(number)", "other") }
        #expect(words.count == Tuning.refusalsPerMinute && answers.count == Tuning.refusalsPerMinute)
        pair.advance(61)
        #expect(words.count == Tuning.refusalsPerMinute + 1)
        #expect(audit.last?["count"] == .integer(100 - Int64(Tuning.refusalsPerMinute)))
        #expect(audit.last?["caller"]?.string == moki.id.bare.text)
        pair.advance(61)
        try call("c1", deadline: pair.now.wall + 3000)
        say(CallResult(status: 0, output: "open"))
        let before = words.count
        for _ in 0..<100 { try call("c1", deadline: pair.now.wall + 3000) }
        #expect(words.count == before + Tuning.refusalsPerMinute && runs.count == 1)
    }

    @Test("one caller has no more than its share of what runs and of what is remembered")
    func shares() throws {
        let carol = People.carol
        pair.b.befriend(carol)
        pair.b.policy.calls = [Self.rule(allowed: [.id(moki.id), .id(carol.id)], rate: 1000)]
        func callOfCarol(_ name: String) throws {
            let content = Content(
                type: .customized, sn: Int64(name.utf8.count) + 100, time: pair.now.wall,
                [
                    "app": "culver", "mod": "call", "act": "open-gate", "call": .string(name),
                    "deadline": .number(pair.now.wall + 30), "args": [],
                ])
            pair.lay(try carol.sealedMessage(content, to: hulk))
        }
        for number in 0..<8 { try call("c\(number)") }
        #expect(runs.count == Tuning.runningCallsOfOne && answers.allSatisfy { $0["error"] == "busy" })
        try callOfCarol("x")
        #expect(runs.count == Tuning.runningCallsOfOne + 1)
        for number in 0..<8 { say(CallResult(status: 0, output: ""), "c\(number)") }
        pair.b.ledger.state.served = (0..<Tuning.servedCallsOfOne).map {
            ServedCall(key: key("old\($0)"), owner: hulk.id.bare, command: "open-gate", deadline: 0, answer: "{}")
        }
        let count = runs.count
        try call("c9")
        #expect(runs.count == count && answers.last?["error"] == "busy")
        try callOfCarol("xx")
        #expect(runs.count == count + 1)
    }

    @Test("an empty piece is none, and after so many pieces a call is ended")
    func pieces() throws {
        pair.b.policy.calls = [Self.rule(output: 1 << 20)]
        try call()
        say(CallResult(status: 0, output: "", isFinal: false))
        #expect(answers.isEmpty)
        for _ in 0...Tuning.callParts {
            pair.feed(1, .call(.said(key("c1"), CallResult(status: 0, output: "x", isFinal: false))))
        }
        #expect(pair.b.ledger.state.served.first?.answer?.contains("output-too-large") == true)
        #expect(pair.b.orders.contains { if case .stop = $0 { true } else { false } })
    }

    // MARK: - Arguments

    static let cases: [(schema: JSON, arguments: [JSON], isGood: Bool)] = [
        ([], [], true), ([], ["x"], false), ([[:]], [], false), ([["optional": true]], [], true),
        ([[:]], ["plain; rm -rf $(x) `y` | z"], true), ([[:]], ["--config=/etc/shadow"], false), ([[:]], ["-"], false),
        ([["enum": ["-a", "b"]]], ["-a"], true), ([["enum": ["a"]]], ["A"], false),
        ([["type": "integer", "minimum": -3, "maximum": 3]], ["-3"], true),
        ([["type": "integer", "maximum": 3]], ["4"], false), ([["type": "integer"]], ["1e3"], false),
        ([["type": "integer"]], ["+1"], false), ([["type": "integer"]], [7], true),
        ([["type": "number", "min": 0, "max": 1]], ["0.5"], true), ([["type": "number"]], ["nan"], false),
        ([["type": "number"]], ["0x10"], false), ([["type": "boolean"]], [true], true),
        ([["type": "boolean"]], ["yes"], false), ([[:]], ["a\0b"], false), ([[:]], [["a"]], false),
        ([[:]], [.string(String(repeating: "a", count: 4_097))], false),
    ]

    @Test("arguments are what their schema says, and go on as they are", arguments: cases.indices)
    func arguments(index: Int) throws {
        let (schema, list, isGood) = Self.cases[index]
        pair.b.policy.calls = [Self.rule(arguments: try ArgumentRule.list(schema))]
        try call(args: list)
        #expect(runs.count == (isGood ? 1 : 0))
        if isGood { #expect(runs[0].arguments == list.map { $0.string ?? $0.text }) }
        #expect(answers.compactMap { $0["error"]?.string } == (isGood ? [] : ["bad-argument"]))
    }

    @Test(
        "a schema that cannot be meant is no schema",
        arguments: [
            1, [1], [["type": "object"]], [["typ": "string"]], [["optional": true], [:]],
            [["type": "integer", "pattern": "a"]], [["minimum": 1]], [["pattern": 1]],
        ] as [JSON])
    func schemas(schema: JSON) {
        #expect(throws: Refusal.self) { try ArgumentRule.list(schema) }
    }
}
