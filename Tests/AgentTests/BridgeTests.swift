import DIMP
import Format
import Records
import TestSupport
import Testing

@testable import Agent

/// A bridge between two boards: moki's local broker shows something, hulk's gets it, and the other way round.
@Suite struct BridgeTests {
    private let pair: Pair
    private let hulk = People.hulk
    private let moki = People.moki

    init() {
        pair = Pair([Board([People.moki]), Board([People.hulk], seed: 1001)])
        pair.a.befriend(hulk)
        pair.b.befriend(moki)
        bridge(0, out: ["zigbee2mqtt/#"], inward: ["zigbee2mqtt/+/set"])
        bridge(1, out: ["porch/zigbee2mqtt/+/set"], inward: ["zigbee2mqtt/#"], prefix: "porch/")
        pair.linkAll()
        connect(0)
        connect(1)
        pair.advance(3)
    }

    private func bridge(
        _ board: Int, out: [String] = [], inward: [String] = [], prefix: String = "",
        keep: BridgeRule.Keep = .latest, retain: BridgeRule.Retain = .asIs
    ) {
        let peer = board == 0 ? hulk : moki
        pair.boards[board].policy.bridges = [
            BridgeRule(
                name: "home", peer: .id(peer.id), out: out.compactMap(BridgeFilter.init),
                inward: inward.compactMap(BridgeFilter.init), prefix: prefix, keep: keep, retain: retain)
        ]
        pair.feed(board, .bridge(.configured))
    }

    private func connect(_ board: Int, room: Int = 20) {
        pair.feed(board, .bridge(.connected(bridge: "home", room: room)))
    }

    /// A local program publishes.
    private func publish(_ topic: String, _ payload: String, on board: Int = 0, retained: Bool = false) {
        arrive(LocalMessage(topic: topic, payload: Array(payload.utf8), isRetained: retained), on: board)
    }

    private func arrive(_ message: LocalMessage, on board: Int = 0) {
        pair.feed(board, .bridge(.arrived(message, bridge: "home")))
    }

    /// What was published on a local broker, as `topic payload`.
    private func shown(_ board: Int = 1) -> [String] {
        pair.boards[board].bridged.map { "\($0.topic) \(String(decoding: $0.payload, as: UTF8.self))" }
    }

    /// The local broker takes what it was given.
    private func acknowledge(_ board: Int = 1, from start: Int = 0, as outcome: Outcome = .taken) {
        for publication in pair.boards[board].bridged.dropFirst(start) {
            pair.feed(
                board,
                .bridge(
                    .answered(
                        bridge: "home", place: publication.place, version: publication.version, outcome)))
        }
    }

    private func counts(_ board: Int = 0) -> BridgeCounts {
        pair.boards[board].messenger.counts.bridges["home"] ?? BridgeCounts()
    }

    private func rows(_ board: Int) -> [BridgedMessage] { pair.boards[board].ledger.state.bridged }

    /// The peer states that it is gone, or here again.
    private func state(isOnline: Bool, _ boot: String = "two", at: Double = Pair.start - 30) throws {
        pair.put(
            try Statement(isOnline: isOnline, at: at, boot: boot).signed(by: hulk, with: []),
            at: .state(hulk.id.address))
    }

    @Test("what a local program publishes is published at the other side under its prefix, and is in no inbox")
    func over() {
        publish("zigbee2mqtt/lamp", "{\"state\":\"ON\"}", retained: true)
        pair.settle()
        #expect(shown() == ["porch/zigbee2mqtt/lamp {\"state\":\"ON\"}"])
        #expect(pair.b.bridged.map(\.isRetained) == [true])
        #expect(pair.b.inbox.isEmpty && pair.a.saved == 1)
        #expect(rows(0).isEmpty && rows(1).map(\.topic) == ["zigbee2mqtt/lamp"])
        acknowledge()
        #expect(rows(1).isEmpty && counts(1).published == 1 && counts(0).delivered == 1)
        // A command goes the other way.
        publish("porch/zigbee2mqtt/lamp/set", "OFF", on: 1)
        pair.settle()
        #expect(shown(0).isEmpty)
        bridge(1, out: ["zigbee2mqtt/+/set"], inward: ["zigbee2mqtt/#"], prefix: "porch/")
        publish("zigbee2mqtt/lamp/set", "OFF", on: 1)
        pair.settle()
        #expect(shown(0) == ["zigbee2mqtt/lamp/set OFF"])
    }

    @Test("bytes that are no text arrive as they were, and an empty retained message clears")
    func bytes() {
        let payloads: [[UInt8]] = [[0, 255, 1], [], Array("Grün\n".utf8), [0xed, 0xa0, 0x80]]
        for (number, payload) in payloads.enumerated() {
            arrive(
                LocalMessage(topic: "zigbee2mqtt/\(number)", payload: payload, qos: 0, isRetained: payload.isEmpty))
            pair.settle()
            #expect(pair.b.bridged.last?.payload == payload && pair.b.bridged.last?.isRetained == payload.isEmpty)
        }
        #expect(pair.b.bridged.count == 4 && pair.b.rejections.isEmpty)
    }

    @Test(
        "a topic goes out if a filter takes it, and one that begins with a dollar only by a filter that does",
        arguments: [
            ("#", "a/b", true), ("#", "$SYS/uptime", false), ("$SYS/#", "$SYS/uptime", true), ("+/b", "$a/b", false),
            ("a/#", "a", true), ("a/+", "a", false), ("a/+", "a/b/c", false), ("a/+/c", "a/b/c", true),
        ])
    func filters(filter: String, topic: String, takes: Bool) {
        #expect(BridgeFilter(filter)?.takes(topic) == takes)
        bridge(0, out: [filter])
        bridge(1, inward: ["#", "$SYS/#"])
        publish(topic, "x")
        pair.settle()
        #expect(shown() == (takes ? ["\(topic) x"] : []))
    }

    @Test(
        "of two filters one goes if the other takes all of it",
        arguments: [
            ("a/#", "a/b", true), ("a/#", "a", true), ("a/+", "a/b", true), ("a/+", "a/#", false),
            ("#", "$SYS/a", false),
            ("a/+/#", "a/#", false), ("+/b", "a/+", false), ("a/#", "a/+/#", true), ("#", "a/#", true),
        ])
    func covers(wide: String, narrow: String, covers: Bool) throws {
        let (wide, narrow) = (try #require(BridgeFilter(wide)), try #require(BridgeFilter(narrow)))
        #expect(wide.covers(narrow) == covers)
        let both = narrow.covers(wide) ? [narrow] : [wide, narrow]
        #expect(BridgeFilter.withoutCovered([wide, narrow]) == (covers ? [wide] : both))
    }

    @Test("what no filter is, is none", arguments: ["", "a+", "a/#/b", "#a", "$share/g/a", "a\0b"])
    func noFilter(text: String) { #expect(BridgeFilter(text) == nil) }

    @Test("only the peer of a bridge gets something in, and only what the bridge lets in; it is receipted all the same")
    func letIn() {
        bridge(0, out: ["#"])
        bridge(1, inward: ["garden/#"])
        publish("kitchen/x", "1")
        publish("garden/x", "2")
        pair.settle()
        #expect(shown() == ["garden/x 2"])
        #expect(pair.b.rejections.map(\.stage) == [.trust] && counts(0).delivered == 2)
        pair.b.policy.bridges[0].peer = .id(People.carol.id)
        pair.feed(1, .bridge(.configured))
        publish("garden/x", "3")
        pair.settle()
        #expect(shown() == ["garden/x 2"] && pair.b.rejections.count == 2 && pair.b.inbox.isEmpty)
    }

    @Test("a content that is not sealed, has no good topic or payload, came too far or comes back, is refused")
    func refused() {
        let good: JSONObject = ["app": "culver", "mod": "mqtt", "act": "zigbee2mqtt/a", "text": "x"]
        func lay(_ name: String?, _ value: JSON?) {
            var members = good
            if let name { members[name] = value }
            pair.submit(.customized, members)
            pair.settle()
        }
        lay("act", "a/+")
        lay("act", nil)
        lay("act", .string(String(repeating: "a", count: 1025)))
        lay("payload", "eA==")
        lay("text", nil)
        lay("text", .string(String(repeating: "x", count: 256 << 10 + 1)))
        lay("via", .array([.string(hulk.id.address.text)]))
        lay("via", .array(Array(repeating: .string(moki.id.address.text), count: 9)))
        #expect(pair.b.bridged.isEmpty && pair.b.inbox.isEmpty)
        #expect(pair.b.rejections.map(\.stage) == Array(repeating: .content, count: 8))
        lay(nil, nil)
        #expect(shown() == ["porch/zigbee2mqtt/a x"])
    }

    @Test("what is too large is dropped and counted, and so is what finds no room")
    func dropped() throws {
        arrive(LocalMessage(topic: "zigbee2mqtt/a", payload: Array(repeating: 0, count: 256 << 10 + 1)))
        arrive(LocalMessage(topic: "zigbee2mqtt/" + String(repeating: "a", count: 1024), payload: []))
        #expect(counts().tooLarge == 2 && rows(0).isEmpty && pair.a.saved == 2)
        #expect(pair.a.ledger.state.events.filter { $0.kind == .bridge }.map(\.reason) == ["too-large"])
        arrive(LocalMessage(topic: "zigbee2mqtt/a", payload: Array(repeating: 0, count: 256 << 10)))
        pair.settle()
        #expect(pair.b.bridged.map(\.payload.count) == [256 << 10])
        pair.advance(61)
        try state(isOnline: false)
        let large = [UInt8](repeating: 0, count: 256 << 10)
        for number in 0..<70 { arrive(LocalMessage(topic: "zigbee2mqtt/\(number)", payload: large)) }
        #expect(rows(0).count == 63 && counts().withoutRoom == 7)
        #expect(pair.a.ledger.state.events.last?.reason == "bridge-full")
        // A topic that waits already has its place.
        publish("zigbee2mqtt/7", "y")
        #expect(rows(0).count == 63 && counts().withoutRoom == 7 && counts().replaced == 1)
    }

    @Test(
        "while the peer is gone the newest of each topic waits, and goes when it comes back", arguments: [true, false])
    func latest(restarts: Bool) throws {
        try state(isOnline: false)
        for number in 0..<300 { publish("zigbee2mqtt/\(number % 3)", "\(number)") }
        pair.advance(100)
        #expect(pair.b.bridged.isEmpty && rows(0).count == 3 && counts().replaced == 297)
        #expect(pair.a.ledger.state.outgoing.isEmpty && pair.a.saved == 300)
        if restarts {
            pair.restart(0)
            pair.feed(0, .bridge(.configured))
            pair.advance(100)
        }
        #expect(pair.b.bridged.isEmpty)
        try state(isOnline: true, "three", at: Pair.start + 200)
        pair.advance(1)
        #expect(shown().sorted() == (297..<300).map { "porch/zigbee2mqtt/\($0 % 3) \($0)" })
        #expect(rows(0).isEmpty)
    }

    @Test("under `all` each waits, in its order, one of each topic on its way at a time")
    func all() throws {
        bridge(0, out: ["zigbee2mqtt/#"], keep: .all)
        bridge(1, inward: ["zigbee2mqtt/#"], keep: .all)
        try state(isOnline: false)
        for number in 0..<30 { publish("zigbee2mqtt/\(number % 3)", "\(number)") }
        #expect(rows(0).count == 30)
        try state(isOnline: true)
        pair.settle()
        #expect(pair.b.bridged.count == 20, "as many as the local broker takes at once")
        var before = 0
        while before < pair.b.bridged.count {
            let next = pair.b.bridged.count
            acknowledge(from: before)
            before = next
        }
        for topic in 0..<3 {
            let wanted = (0..<10).map { "zigbee2mqtt/\(topic) \($0 * 3 + topic)" }
            #expect(shown().filter { $0.hasPrefix("zigbee2mqtt/\(topic)") } == wanted)
        }
        #expect(counts().replaced == 0 && counts().delivered == 30 && rows(0).isEmpty && rows(1).isEmpty)
    }

    @Test("while one of a topic is on its way the next ones wait, and only the newest follows")
    func underway() {
        pair.unlink(1)
        for number in 0..<5 { publish("zigbee2mqtt/a", "\(number)") }
        pair.settle()
        #expect(pair.a.ledger.state.outgoing.count == 1 && counts().replaced == 3)
        pair.link(1)
        pair.advance(60)
        #expect(shown() == ["porch/zigbee2mqtt/a 0"])
        acknowledge()
        #expect(shown().last == "porch/zigbee2mqtt/a 4")
    }

    @Test("a peer that is said to be gone, and is not, is found out within some minutes")
    func wronglyGone() throws {
        try state(isOnline: false)
        for number in 0..<5 { publish("zigbee2mqtt/\(number)", "x") }
        pair.advance(599)
        #expect(pair.b.bridged.isEmpty)
        pair.advance(2)
        #expect(pair.b.bridged.count == 5)
    }

    @Test("a peer that was away for an hour gets the newest of each topic, and one older message at most")
    func hour() throws {
        try state(isOnline: false)
        pair.unlink(1)
        for minute in 0..<60 {
            for number in 0..<5 { publish("zigbee2mqtt/\(number)", "\(minute)") }
            pair.advance(60)
        }
        #expect(rows(0).count == 5 && pair.a.ledger.state.outgoing.count == 1)
        pair.link(1)
        try state(isOnline: true)
        pair.advance(60)
        acknowledge()
        #expect(pair.b.bridged.count == 6 && counts(1).published == 5)
        for number in 0..<5 {
            let topic = "porch/zigbee2mqtt/\(number)"
            #expect(shown().last { $0.hasPrefix(topic) } == "\(topic) 59")
        }
    }

    @Test("what a bridge published is not sent on, also where its broker cannot say that it did")
    func loops() {
        bridge(0, out: ["#"], inward: ["#"])
        bridge(1, out: ["#"], inward: ["#"])
        arrive(LocalMessage(topic: "a", payload: [1], isBridged: true))
        arrive(LocalMessage(topic: "a", payload: [1], isMarkable: false))
        pair.settle()
        #expect(counts().looped == 2 && rows(0).isEmpty && pair.b.bridged.isEmpty)
        // A broker of MQTT 3.1.1 whose topics are kept apart by a prefix.
        bridge(0, out: ["#"], inward: ["#"], prefix: "porch/")
        arrive(LocalMessage(topic: "a", payload: [1], isMarkable: false))
        arrive(LocalMessage(topic: "porch/a", payload: [1], isMarkable: false))
        pair.settle()
        #expect(counts().looped == 3 && shown() == ["a \u{1}"])
    }

    @Test("topics of culver's own go neither out nor in, whatever the filters")
    func ownTopics() {
        bridge(0, out: ["#"])
        bridge(1, inward: ["#"], prefix: "dim/")
        publish("dim/v1/x/in", "{}")
        #expect(rows(0).isEmpty)
        publish("v1/x/in", "{}")
        pair.settle()
        #expect(pair.b.bridged.isEmpty && pair.b.rejections.map(\.stage) == [.trust])
        publish("v1", "x")
        pair.settle()
        #expect(shown() == ["dim/v1 x"])
    }

    @Test("under `retain = never` nothing is retained, whichever side says so", arguments: [0, 1])
    func never(board: Int) {
        bridge(board, out: ["#"], inward: ["#"], retain: .never)
        publish("zigbee2mqtt/a", "x", retained: true)
        pair.settle()
        #expect(pair.b.bridged.map(\.isRetained) == [false])
        // What stood there already, in the eyes of a broker that shows it as retained in MQTT 3.1.1.
        arrive(LocalMessage(topic: "zigbee2mqtt/b", payload: [1], isRetained: true, isMarkable: false), on: board)
        #expect(rows(board).count { $0.direction == .out } == 0)
    }

    @Test("what came for a local broker that is away waits for it, and is published again until it is acknowledged")
    func localAway() {
        pair.feed(1, .bridge(.disconnected(bridge: "home")))
        publish("zigbee2mqtt/a", "1")
        pair.settle()
        publish("zigbee2mqtt/a", "2")
        pair.settle()
        #expect(pair.b.bridged.isEmpty && rows(1).count == 1 && counts(1).replaced == 1 && counts(0).delivered == 2)
        pair.restart(1)
        pair.feed(1, .bridge(.configured))
        connect(1)
        #expect(shown() == ["porch/zigbee2mqtt/a 2"])
        // The connection breaks before the acknowledgement.
        pair.feed(1, .bridge(.disconnected(bridge: "home")))
        acknowledge()
        connect(1)
        #expect(shown() == ["porch/zigbee2mqtt/a 2", "porch/zigbee2mqtt/a 2"])
        acknowledge(from: 1)
        #expect(rows(1).isEmpty)
        connect(1)
        #expect(shown().count == 2)
    }

    @Test("an acknowledgement of a message that was replaced meanwhile leaves the newer one, which follows")
    func replacedInFlight() {
        publish("zigbee2mqtt/a", "1")
        pair.settle()
        publish("zigbee2mqtt/a", "2")
        pair.settle()
        #expect(shown() == ["porch/zigbee2mqtt/a 1"])
        acknowledge()
        #expect(shown() == ["porch/zigbee2mqtt/a 1", "porch/zigbee2mqtt/a 2"])
        acknowledge(from: 1, as: .refused("no"))
        #expect(rows(1).isEmpty && counts(1).refused == 1)
    }

    @Test("a section for another peer, or none, forgets what waited for the last one")
    func otherPeer() throws {
        try state(isOnline: false)
        publish("zigbee2mqtt/a", "1")
        pair.feed(0, .bridge(.configured))
        #expect(rows(0).count == 1)
        pair.a.policy.bridges[0].peer = .id(People.carol.id)
        pair.feed(0, .bridge(.configured))
        #expect(rows(0).isEmpty)
        bridge(0, out: ["#"])
        publish("zigbee2mqtt/a", "1")
        pair.a.policy.bridges = []
        pair.feed(0, .bridge(.configured))
        #expect(rows(0).isEmpty)
    }

    @Test("a peer is named by its contact's name, and waits for the contact")
    func named() {
        pair.a.policy.bridges[0].peer = .name("porch")
        pair.feed(0, .bridge(.configured))
        publish("zigbee2mqtt/a", "1")
        pair.advance(10)
        #expect(pair.b.bridged.isEmpty && rows(0).count == 1)
        pair.a.book.state.contacts[hulk.id.address]?.name = "porch"
        pair.feed(0, .ticked)
        pair.settle()
        #expect(shown() == ["porch/zigbee2mqtt/a 1"])
    }

    @Test("when the outbox is full messages wait, and go when it has room")
    func outboxFull() {
        pair.a.policy.outboxCount = 0
        publish("zigbee2mqtt/a", "1")
        pair.advance(20)
        #expect(rows(0).map(\.sent) == [nil])
        pair.a.policy.outboxCount = 100
        pair.advance(20)
        #expect(shown() == ["porch/zigbee2mqtt/a 1"])
    }

    @Test("nothing is lost and nothing goes over twice when the power is cut at any step, on either side")
    func powerCuts() {
        for cut in 0..<40 {
            let pair = BridgeTests()
            pair.live(through: cut)
        }
    }

    /// Two messages, and a power cut on both sides after so many steps.
    private func live(through steps: Int) {
        publish("zigbee2mqtt/a", "1")
        publish("zigbee2mqtt/b", "2")
        pair.feedSome(steps)
        for board in 0...1 {
            pair.restart(board)
            pair.feed(board, .bridge(.configured))
        }
        let before = pair.b.bridged.count
        connect(1)
        pair.advance(200)
        let after = pair.b.bridged.dropFirst(before).map(\.topic).sorted()
        #expect(after == ["porch/zigbee2mqtt/a", "porch/zigbee2mqtt/b"], "cut after \(steps) steps")
        #expect(rows(0).isEmpty && rows(1).count == 2, "cut after \(steps) steps")
        acknowledge(from: before)
        #expect(rows(1).isEmpty)
    }

    @Test("a disk that fails for a while loses nothing, and the newest of a topic is the last one")
    func diskFails() {
        pair.a.ledger.isFull = true
        publish("zigbee2mqtt/a", "1")
        publish("zigbee2mqtt/a", "2")
        #expect(pair.a.saved == 0)
        pair.advance(20)
        pair.a.ledger.isFull = false
        pair.advance(60)
        acknowledge()
        #expect(pair.a.saved == 2 && shown().last == "porch/zigbee2mqtt/a 2")
        #expect(rows(0).isEmpty)
    }
}
