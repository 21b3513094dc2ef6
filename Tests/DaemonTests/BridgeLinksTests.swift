import Agent
import Store
import TestSupport
import Testing
import Transport

@testable import culverd

/// The links of bridges to real local brokers, as the configuration comes, changes and goes.
@MainActor @Suite struct BridgeLinksTests {
    private let rig: Rig
    private let running: RunningConfiguration
    private let links: BridgeLinks
    private let mosquitto: Mosquitto
    private let program: MosquittoLink

    init() async throws {
        let rig = try Rig()
        let mosquitto = try await Mosquitto()
        let running = RunningConfiguration(Configuration(), options: Options(), environment: [:])
        let program = MosquittoLink(
            BrokerOptions(address: try BrokerAddress(url: mosquitto.url), clientID: "program"), on: { _ in })
        (self.rig, self.mosquitto, self.running, self.program) = (rig, mosquitto, running, program)
        links = try Self.links(rig, running)
        program.start()
        try await wait { program.isConnected }
    }

    private static func links(_ rig: Rig, _ running: RunningConfiguration) throws -> BridgeLinks {
        let configured = ConfiguredBrokers(
            running: running, loop: rig.loop, brokers: Brokers(loop: rig.loop, pool: Pool(width: 1)),
            installation: try rig.loop.directory.installation())
        let links = BridgeLinks(loop: rig.loop, configured: configured)
        rig.onEffect = { if case .bridge(let order) = $0 { links.perform(order) } }
        return links
    }

    private func configure(_ values: [String: String]?) throws {
        var configuration = Configuration()
        if let values {
            var section = BridgeSettings(name: "home")
            for (key, value) in values { try section.set(key, to: value) }
            configuration.bridges = [section]
        }
        running.take(configuration)
        let policy = configuration.policy
        rig.loop.add(.chore { turn in turn.messenger.policy = policy })
        links.change()
    }

    private var section: [String: String] { ["broker": mosquitto.url, "peer": "porch", "out": "a/#"] }
    private var home: BridgeLink? { links["home"] }

    /// Messages of the local broker that were written down.
    private var taken: Int64 { rig.loop.messenger.counts.bridges["home"]?.taken ?? 0 }

    /// What is retained comes also to a subscription that comes later.
    private func publish(_ topic: String, retained: Bool = false) throws {
        _ = try program.publish(topic: topic, payload: [1], retain: retained)
    }

    @Test("a bridge that comes is dialled, changes without a new connection where it can, and leaves when it goes")
    func course() async throws {
        try configure(section)
        try await wait { home?.isConnected == true }
        try publish("a/1", retained: true)
        try await wait { taken == 1 }
        // Other filters, the same connection.
        try configure(section.merging(["out": "b/#"]) { $1 })
        try publish("a/2")
        try publish("b/1", retained: true)
        try await wait { taken == 2 }
        // Nothing about the connection: nothing happens.
        try configure(section.merging(["out": "b/#", "keep": "all"]) { $1 })
        #expect(home?.isConnected == true && home?.connections == 1)
        let other = try await Mosquitto()
        try configure(section.merging(["broker": other.url]) { $1 })
        try await wait { home?.connections == 2 && home?.isConnected == true }
        try configure(nil)
        #expect(home == nil && links.rows.isEmpty)
        // What is published meanwhile is nobody's.
        try publish("b/2")
        try publish("a/3")
        try configure(section)
        try await wait { home?.isConnected == true }
        try publish("a/4", retained: true)
        try await wait { taken == 4 }
        links.stop()
        await rig.settle()
        #expect(
            try rig.loop.store.readyBridged(bridge: "home", direction: .out, limit: 9).map(\.topic).sorted()
                == ["a/1", "a/4"])
    }

    @Test("what was published while the daemon was away comes when it is back, and a thousand messages at once do")
    func session() async throws {
        try configure(section)
        try await wait { home?.isConnected == true }
        links.stop()
        try await wait { home?.isConnected == false }
        try publish("a/away")
        let next = try Self.links(rig, running)
        next.change()
        try await wait { taken == 1 }
        for number in 0..<1000 {
            try await wait { program.room > 0 }
            try publish("a/\(number % 50)")
        }
        try await wait { taken == 1001 }
        next.stop()
        await rig.settle()
        #expect(rig.loop.store.bridgedSize(bridge: "home", direction: .out).count == 51)
    }

    @Test("a broker that is away is told with its reason, once, and by doctor and status")
    func away() async throws {
        try configure(["broker": "mqtt://127.0.0.1:\(try freePort())", "peer": "porch", "out": "#"])
        try await wait { home?.condition.state == .away }
        #expect(home?.condition.reason?.contains("connection refused") == true)
        #expect(links.checks.map(\.result) == [.fail] && links.rows.first?["state"]?.string == "away")
        links.stop()
        await rig.settle()
        #expect(try rig.loop.store.events(limit: 99).filter { $0.kind == .bridge }.map(\.reason) == ["away"])
    }

    /// Half a minute at most.
    private func wait(until isSo: () -> Bool) async throws {
        for _ in 0..<1500 where !isSo() { try await Task.sleep(for: .milliseconds(20)) }
        try #require(isSo())
    }
}
