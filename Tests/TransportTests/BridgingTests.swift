import TestSupport
import Testing

@testable import Transport

extension Links {
    /// What a link of a bridge does otherwise than others, at a real mosquitto.
    @Suite("A link of a bridge")
    @MainActor
    struct BridgingTests {
        private func options(_ broker: Mosquitto, _ name: String, skipsRetained: Bool = false) throws -> BrokerOptions {
            var options = try BrokerOptions(broker.url, name)
            options.bridging = BrokerOptions.Bridging(mark: "of \(name)", skipsRetained: skipsRetained)
            return options
        }

        private func deliveries(_ witness: Witness) -> [MQTTDelivery] {
            witness.events.compactMap { if case .delivered(let message) = $0 { message } else { nil } }
        }

        @Test(
            "what is retained comes as such, what bridges published has their mark, and a link's own does not come back"
        )
        func marks() async throws {
            let broker = try await Mosquitto()
            let plain = Witness(try BrokerOptions(broker.url, "plain"))
            let (one, two) = (Witness(try options(broker, "one")), Witness(try options(broker, "two")))
            for witness in [plain, one, two] { try await witness.connected() }
            for witness in [one, two] { try await witness.subscribed(to: "a/#") }
            try await plain.subscribed(to: "a/#")
            try await plain.publish("a/1", "by a program", retain: true)
            try await one.publish("a/2", "by a bridge", retain: true)
            try await plain.publish("a/3", "the last")
            for witness in [one, two] {
                try await witness.until("the last") { deliveries($0).contains { $0.topic == "a/3" } }
            }
            let mark = MQTTDelivery(
                topic: "a/2", payload: Array("by a bridge".utf8), qos: 1, isRetained: true, mark: "of one")
            #expect(deliveries(one).map(\.topic) == ["a/1", "a/3"])
            #expect(deliveries(two).map(\.topic) == ["a/1", "a/2", "a/3"] && deliveries(two)[1] == mark)
            #expect(deliveries(two).map(\.isRetained) == [true, true, false])
            #expect(deliveries(two)[0].mark == nil)
            try await plain.until("all of it") { $0.messages.count == 3 }
            // The broker keeps the mark with what it retains, also for the one that published it.
            let late = Witness(try options(broker, "late"))
            let blind = Witness(try options(broker, "blind", skipsRetained: true))
            for witness in [late, blind] {
                try await witness.connected()
                try await witness.subscribed(to: "a/#")
            }
            try await late.until("what is retained") { deliveries($0).count == 2 }
            #expect(Set(deliveries(late).map(\.mark)) == [nil, "of one"])
            try await plain.publish("a/4", "now")
            try await blind.until("the new one") { !deliveries($0).isEmpty }
            #expect(deliveries(blind).map(\.topic) == ["a/4"])
            for witness in [plain, one, two, late, blind] { try await witness.stop() }
        }

        @Test("what came is acknowledged by what is written then; where nothing was, the broker shows it again")
        func acknowledgedLater() async throws {
            let broker = try await Mosquitto()
            let plain = Witness(try BrokerOptions(broker.url, "plain"))
            try await plain.connected()
            let first = Witness(try options(broker, "one"))
            first.reaction = { [unowned first] event in
                if case .delivered = event { first.link.suspendWriting() }
            }
            try await first.connected()
            try await first.subscribed(to: "a")
            try await plain.publish("a", "1")
            try await first.until("the message") { !deliveries($0).isEmpty }
            // The daemon ends before it is on disk.
            try await first.stop()
            let second = Witness(try options(broker, "one"))
            second.reaction = { [unowned second] event in
                if case .delivered = event { second.link.suspendWriting() }
            }
            try await second.until("the message again") { !deliveries($0).isEmpty }
            second.link.resumeWriting()
            // What follows is written after the acknowledgement.
            try await second.publish("b", "x")
            try await second.stop()
            let third = Witness(try options(broker, "one"))
            try await third.connected()
            #expect(third.connections[0].sessionPresent)
            try await plain.publish("a", "2")
            try await third.until("the next message") { !deliveries($0).isEmpty }
            #expect(deliveries(third).map(\.payload) == [Array("2".utf8)])
            for witness in [plain, third] { try await witness.stop() }
        }
    }
}
