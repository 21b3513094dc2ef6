import DIMP
import TestSupport
import Testing
import Transport

@testable import Agent
@testable import culverd

/// What one broker does with its link, over the transport in memory.
@MainActor @Suite struct BrokerTests {
    private let rig: Rig
    private let brokers: Brokers
    private let loopback = LoopbackBroker()
    private let setting: BrokerSetting
    private let topics = Topics(root: "t")
    private let presence: Presence

    init() async throws {
        rig = try Rig()
        let loopback = loopback
        brokers = Brokers(loop: rig.loop, pool: Pool(width: 1)) { options, event in
            var timing = LinkTiming()
            timing.longestWait = 0.2
            return LoopbackLink(options, at: loopback, timing: timing, on: event)
        }
        setting = BrokerSetting(
            options: BrokerOptions(name: "lan", address: try BrokerAddress(url: "mqtt://loopback"), clientID: "one"),
            topics: topics, url: "mqtt://loopback")
        presence = try #require(Presence(identities: [try madeIdentity("moki")], boot: "b00t", at: 1_700_000_000))
    }

    @Test("our presence is stated on every connection, and the will says that we are gone")
    func stated() async throws {
        let watcher = try await watcher(of: "t/+/state")
        rig.loop.perform = { [brokers] effect in
            if case .publish(let publication) = effect { brokers.publish(publication) }
        }
        rig.loop.take(.presence(presence))
        brokers.start([setting], presence: presence)
        try await wait { watcher.payloads == [presence.online] }
        loopback.cut("one")
        try await wait { watcher.payloads.count == 3 }
        #expect(watcher.payloads.prefix(2) == [presence.online, presence.gone])
        #expect(watcher.payloads.last == presence.online)
        await withCheckedContinuation { end in brokers.stop { end.resume() } }
        try await wait { watcher.payloads.count == 4 }
        #expect(watcher.payloads.last == presence.gone)
    }

    @Test("what finds no room is not kept, because the messenger knows the room: it comes back as refused")
    func room() async throws {
        let watcher = try await watcher(of: "t/+/in")
        brokers.start([setting], presence: nil)
        let broker = try await connected()
        for number in 0..<50 { brokers.publish(publication(number)) }
        #expect(broker.unacknowledged == 20)
        try await wait { broker.unacknowledged == 0 }
        #expect(watcher.payloads == (0..<20).map { [UInt8($0)] })
        #expect(broker.traffic.taken == 20)
    }

    @Test("what nobody reads is counted so, and what a connection leaves unanswered is lost")
    func outcomes() async throws {
        brokers.start([setting], presence: nil)
        let broker = try await connected()
        brokers.publish(publication(1))
        try await wait { broker.traffic.nobody == 1 }
        for number in 2..<32 { brokers.publish(publication(number)) }
        loopback.cut("one")
        try await wait { broker.traffic.lost == 20 }
        #expect(broker.unacknowledged == 0)
        try await connected(times: 2)
        #expect(broker.traffic.nobody == 1 && broker.traffic.taken == 0)
    }

    @Test("who loses the client id to another goes on under a new one")
    func takenOver() async throws {
        brokers.start([setting], presence: nil)
        let broker = try await connected()
        let other = LoopbackLink(setting.options, at: loopback) { _ in }
        other.start()
        try await connected(times: 2)
        #expect(broker.traffic.takeOvers == 1)
        #expect(broker.clientID.hasPrefix("one-") && !broker.clientID.utf8.contains(UInt8(ascii: ".")))
        #expect(other.isConnected)
        other.stop()
    }

    @Test("own topics that a broker refuses for a moment are asked for again on the same connection, and told of once")
    func refusedTopics() async throws {
        loopback.subscriptions = 0
        brokers.start([setting], presence: nil)
        let broker = try await connected()
        broker.keep([presence.address])
        try await waitForNotes("not-subscribed")
        loopback.subscriptions = .max
        try await waitForNotes("subscribed")
        let sender = LoopbackLink(options(clientID: "sender"), at: loopback) { _ in }
        sender.start()
        try await wait { sender.isConnected }
        var heard: [[UInt8]] = []
        broker.onMessage = { heard.append($1) }
        _ = try sender.publish(topic: topics.text(.inbox(presence.address)), payload: [7], retain: false, expiry: nil)
        try await wait { heard == [[7]] }
        #expect(broker.traffic.connections == 1)
    }

    /// Until each of the board's own topics has one event with this reason.
    private func waitForNotes(_ reason: String) async throws {
        try await wait {
            let events = try? rig.loop.store.events(limit: 99, kind: .broker).filter { $0.reason == reason }
            return events?.map(\.count).reduce(0, +) == Int64(topics.own(presence.address).count)
        }
    }

    @Test("an id that the broker does not accept is left for our own")
    func refusedID() async throws {
        loopback.accepts = { $0 == "one" }
        brokers.start([setting], presence: nil, memories: ["lan": memory("one-x")])
        let broker = try await connected()
        #expect(broker.clientID == "one")
    }

    @Test("an id that is given up is visited once more, and the broker keeps no session for it")
    func abandonedID() async throws {
        let before = LoopbackLink(options(clientID: "old-machine"), at: loopback) { _ in }
        before.start()
        try await wait { before.isConnected }
        before.stop()
        try await wait { !before.isConnected }
        #expect(loopback.clients == ["old-machine"])
        brokers.start([setting], presence: nil, memories: ["lan": memory("old-machine")])
        try await connected()
        try await wait { loopback.clients == ["one"] }
    }

    @Test("lost three times, a broker is gone to under the same id: what it has queued comes")
    func flaky() async throws {
        brokers.start([setting], presence: nil)
        for times: Int64 in 1...4 {
            let broker = try await connected(times: times)
            #expect(broker.clientID == "one")
            if times < 4 { loopback.cut("one") }
        }
    }

    private func memory(_ clientIDs: String) -> BrokerMemory {
        var memory = BrokerMemory()
        memory.clientIDs = clientIDs
        return memory
    }

    private func options(clientID: String) -> BrokerOptions {
        var options = setting.options
        options.clientID = clientID
        return options
    }

    @Test("a broker that is away is called until it answers, and says why meanwhile")
    func away() async throws {
        loopback.stop()
        brokers.start([setting], presence: nil)
        try await wait { (brokers["lan"]?.traffic.failures ?? 0) >= 2 }
        #expect(brokers["lan"]?.trouble == "cannot reach mqtt://loopback:1883: connection refused")
        loopback.restart()
        let broker = try await connected()
        #expect(broker.trouble == nil && broker.condition.version == "5")
    }

    @Test("each reason of an absence is told once, and again in the next one")
    func toldOnce() async throws {
        var tell: (@MainActor (LinkEvent) -> Void)?
        let brokers = Brokers(loop: rig.loop, pool: Pool(width: 1)) { [loopback] options, event in
            tell = event
            return LoopbackLink(options, at: loopback) { _ in }
        }
        brokers.start([setting], presence: nil)
        let hear = try #require(tell)
        for absence in 1...2 {
            for attempt in 0..<100 {
                hear(.connecting)
                if attempt == 7 { hear(.stalled(reason: "no answer")) }
                hear(.failed(reason: attempt % 2 == 0 ? "hung up" : "refused", retryIn: 1))
            }
            await rig.settle()
            let told = try rig.loop.store.events(limit: 99, kind: .broker).filter { $0.reason == "away" }
            #expect(told.map(\.count).reduce(0, +) == Int64(3 * absence))
            hear(.connected(version: .v5, sessionPresent: false))
            hear(.disconnected(reason: "lost", retryIn: 1))
        }
    }

    private func publication(_ number: Int) -> Publication {
        Publication(
            number: UInt64(number) + 1, broker: "lan", topic: .inbox(presence.address), payload: [UInt8(number)])
    }

    @discardableResult
    private func connected(times: Int64 = 1) async throws -> Broker {
        try await wait { brokers["lan"]?.isConnected == true && brokers["lan"]?.traffic.connections == times }
        return try #require(brokers["lan"])
    }

    /// Another client, which notes what it reads.
    private final class Watcher {
        var payloads: [[UInt8]] = []
        var isSubscribed = false
    }

    private func watcher(of topic: String) async throws -> Watcher {
        let watcher = Watcher()
        var options = setting.options
        options.clientID = "watcher"
        var connected: (@MainActor () -> Void)?
        let link = LoopbackLink(options, at: loopback) { event in
            switch event {
            case .connected: connected?()
            case .subscribed: watcher.isSubscribed = true
            case .message(_, let payload, _): watcher.payloads.append(payload)
            default: break
            }
        }
        connected = { link.subscribe([topic]) }
        link.start()
        try await wait { watcher.isSubscribed }
        return watcher
    }

    /// Half a minute at most.
    private func wait(until isSo: () -> Bool) async throws {
        for _ in 0..<1500 where !isSo() { try await Task.sleep(for: .milliseconds(20)) }
        try #require(isSo())
    }
}
