import TestSupport
import Testing
import Transport

@testable import culverd

/// The links to one real broker, begun and ended while they begin and end.
@MainActor @Suite struct BrokersTests {
    private let rig: Rig
    private let brokers: Brokers
    private let mosquitto: Mosquitto
    private let setting: BrokerSetting

    init() async throws {
        rig = try Rig()
        brokers = Brokers(loop: rig.loop, pool: Pool(width: 1))
        mosquitto = try await Mosquitto()
        let address = try BrokerAddress(url: mosquitto.url)
        setting = BrokerSetting(
            options: BrokerOptions(name: "lan", address: address, clientID: "one"), topics: Topics(root: "t"),
            url: mosquitto.url)
    }

    @Test("a broker that is no more in the configuration is left and forgotten")
    func left() async throws {
        brokers.start([setting], presence: nil)
        try await connected()
        brokers.change(to: [], keeping: [])
        #expect(brokers.names.isEmpty)
        try await wait { brokers["lan"] == nil }
    }

    @Test("a broker that cannot be used as it is written now keeps its link")
    func kept() async throws {
        brokers.start([setting], presence: nil)
        try await connected()
        brokers.change(to: [], keeping: ["lan"])
        brokers.change(to: [setting], keeping: [])
        #expect(brokers["lan"]?.afterEnd == .stay)
        #expect(brokers["lan"]?.traffic.connections == 1)
    }

    @Test("a broker that comes back while its link ends is dialled again", arguments: [true, false])
    func back(byChange: Bool) async throws {
        brokers.start([setting], presence: nil)
        try await connected()
        brokers.change(to: [], keeping: [])
        if byChange { brokers.change(to: [setting], keeping: []) } else { brokers.start([setting], presence: nil) }
        #expect(brokers.names == ["lan"])
        try await connected(times: 2)
    }

    @Test("links that were about to begin anew rest with the others, and begin as any other")
    func rest() async throws {
        brokers.start([setting], presence: nil)
        try await connected()
        brokers.start([setting], presence: nil)
        await withCheckedContinuation { end in brokers.rest { end.resume() } }
        #expect(brokers["lan"]?.condition.state == .away)
        brokers.resume()
        try await connected(times: 2)
        #expect(brokers["lan"]?.afterEnd == .stay)
    }

    @Test("who stands back dials nobody, whatever the configuration says")
    func standBack() async throws {
        brokers.start([setting], presence: nil)
        try await connected()
        brokers.standBack()
        brokers.change(to: [setting], keeping: [])
        brokers.start([setting], presence: nil)
        try await wait { brokers["lan"]?.isLinked == false }
        #expect(brokers["lan"]?.traffic.connections == 1)
    }

    private func connected(times: Int64 = 1) async throws {
        try await wait { brokers["lan"]?.isConnected == true && brokers["lan"]?.traffic.connections == times }
    }

    /// Half a minute at most.
    private func wait(until isSo: () -> Bool) async throws {
        for _ in 0..<1500 where !isSo() { try await Task.sleep(for: .milliseconds(20)) }
        try #require(isSo())
    }
}
