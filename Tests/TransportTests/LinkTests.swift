import TestSupport
import Testing

@testable import Transport

extension Links {
    /// A link at a real mosquitto.
    @Suite("A link to mosquitto")
    @MainActor
    struct LinkTests {
        @Test("a message goes to whoever is subscribed, and its publisher hears that it was taken")
        func publishes() async throws {
            let broker = try await Mosquitto()
            let (alice, bob) = (
                Witness(try BrokerOptions(broker.url, "a")), Witness(try BrokerOptions(broker.url, "b"))
            )
            try await alice.connected()
            try await bob.connected()
            #expect(alice.connections.first?.version == .v5)
            try await bob.subscribed(to: "box/b", "other/#")
            #expect(try await alice.publish("box/b", "grüß dich") == .accepted)
            try await bob.until("the message") { !$0.messages.isEmpty }
            #expect(bob.messages[0] == ("box/b", "grüß dich", false))
            try await alice.stop()
            try await bob.stop()
        }

        @Test("a retained message is there for who comes later, and an empty one takes it away")
        func retains() async throws {
            let broker = try await Mosquitto()
            let alice = Witness(try BrokerOptions(broker.url, "a"))
            try await alice.connected()
            try await alice.publish("card/a", "my card", retain: true)
            let bob = Witness(try BrokerOptions(broker.url, "b"))
            try await bob.connected()
            try await bob.subscribed(to: "card/+")
            try await bob.until("the card") { !$0.messages.isEmpty }
            #expect(bob.messages[0] == ("card/a", "my card", true))
            try await alice.publish("card/a", "", retain: true)
            try await bob.until("the removal") { $0.messages.count == 2 }
            #expect(bob.messages[1] == ("card/a", "", false))
            try await bob.stop()
            try await alice.stop()
        }

        @Test("in MQTT 5 we learn that nobody is there to read")
        func nobody() async throws {
            let broker = try await Mosquitto()
            let alice = Witness(try BrokerOptions(broker.url, "a"))
            try await alice.connected()
            #expect(try await alice.publish("box/nobody", "anybody?") == .nobody)
            try await alice.stop()
        }

        @Test("a publication that the ACL forbids is refused in words, and the link lives on")
        func forbidden() async throws {
            var options = Mosquitto.Options()
            options.acl = "topic readwrite mine/#\n"
            let broker = try await Mosquitto(options)
            let alice = Witness(try BrokerOptions(broker.url, "a"))
            try await alice.connected()
            let outcome = try await alice.publish("yours/x", "!")
            guard case .refused(0x87, let reason) = outcome else {
                Issue.record("not refused: \(outcome)")
                return
            }
            #expect(reason.contains("uthori"))
            #expect(try await alice.publish("mine/x", "!") == .nobody)
            try await alice.stop()
        }

        @Test("a message waits in the session for who was away")
        func session() async throws {
            let broker = try await Mosquitto()
            let bobs = try BrokerOptions(broker.url, "b")
            let before = Witness(bobs)
            try await before.connected()
            #expect(before.connections[0].sessionPresent == false)
            try await before.subscribed(to: "box/b")
            try await before.stop()
            let alice = Witness(try BrokerOptions(broker.url, "a"))
            try await alice.connected()
            #expect(try await alice.publish("box/b", "for later") == .accepted)
            let after = Witness(bobs)
            try await after.until("the message") { $0.messages.map(\.text) == ["for later"] }
            #expect(after.connections[0].sessionPresent)
            try await after.stop()
            var afresh = bobs
            afresh.startsClean = true
            let clean = Witness(afresh)
            try await clean.connected()
            #expect(clean.connections[0].sessionPresent == false)
            try await clean.stop()
            try await alice.stop()
        }

        @Test("the broker tells the others when the link breaks, and does not when it ends cleanly")
        func will() async throws {
            let broker = try await Mosquitto()
            let watcher = Witness(try BrokerOptions(broker.url, "w"))
            try await watcher.connected()
            try await watcher.subscribed(to: "state/#")
            var options = try BrokerOptions(broker.url, "a")
            options.will = Will(topic: "state/a", payload: Array("gone".utf8))
            let alice = Witness(options)
            try await alice.connected()
            try await alice.stop(publishing: [MQTTPublication(topic: "state/a", payload: Array("bye".utf8))])
            try await watcher.until("the last words") { !$0.messages.isEmpty }
            alice.link.start()
            try await alice.connected()
            alice.link.abandon()
            try await watcher.until("the will") { $0.messages.count == 2 }
            #expect(watcher.messages.map(\.text) == ["bye", "gone"])
            try await alice.stop()
            try await watcher.stop()
        }

        @Test("after the broker was killed and came back we are connected again, and the session is there")
        func comesBack() async throws {
            var options = Mosquitto.Options()
            options.persistence = true
            let broker = try await Mosquitto(options)
            let bob = Witness(try BrokerOptions(broker.url, "b"))
            try await bob.connected()
            try await bob.subscribed(to: "box/b")
            broker.stop()
            try await bob.until("disconnected") { !$0.disconnections.isEmpty && !$0.failures.isEmpty }
            #expect(!bob.link.isConnected)
            #expect(throws: TransportError.notNow) { try bob.link.publish(topic: "x", payload: [1], retain: false) }
            #expect(bob.failures[0].contains("connection refused"))
            try await broker.restart()
            try await bob.until("connected again") { $0.connections.count == 2 }
            #expect(bob.connections[1] == (.v5, true))
            broker.kill()
            try await bob.until("disconnected") { $0.disconnections.count == 2 }
            try await broker.restart()
            try await bob.until("connected again") { $0.connections.count == 3 }
            try await bob.subscribed(to: "box/c")
            #expect(try await bob.publish("box/c", "here again") == .accepted)
            try await bob.stop()
        }

        @Test("user and password let us in, and wrong ones are named as the reason")
        func password() async throws {
            var options = Mosquitto.Options()
            options.users = [("alice", "corr3ct")]
            let broker = try await Mosquitto(options)
            var right = try BrokerOptions(broker.url, "a")
            right.username = "alice"
            right.password = Array("corr3ct".utf8)
            let alice = Witness(right)
            try await alice.connected()
            try await alice.stop()
            var wrong = right
            wrong.password = Array("wr0ng".utf8)
            let mallory = Witness(wrong)
            try await mallory.until("refused") { $0.failures.count > 1 }
            #expect(mallory.failures.allSatisfy { $0.contains("refuses us") && $0.contains("uthori") })
            #expect(!mallory.failures.contains { $0.contains("wr0ng") })
            try await mallory.stop()
        }

        @Test("a broker's socket in the file system will do")
        func unixSocket() async throws {
            var options = Mosquitto.Options()
            options.unixSocket = true
            let broker = try await Mosquitto(options)
            let alice = Witness(try BrokerOptions("unix://\(broker.socketPath)", "a"))
            try await alice.connected()
            try await alice.subscribed(to: "x")
            #expect(try await alice.publish("x", "hello") == .accepted)
            try await alice.until("the message") { !$0.messages.isEmpty }
            try await alice.stop()
        }

        @Test("while we do not read nothing comes, and all of it afterwards, in order")
        func backPressure() async throws {
            let broker = try await Mosquitto()
            let (alice, bob) = (
                Witness(try BrokerOptions(broker.url, "a")), Witness(try BrokerOptions(broker.url, "b"))
            )
            try await alice.connected()
            try await bob.connected()
            try await bob.subscribed(to: "box/b")
            try await alice.publish("box/b", "0")
            try await bob.until("the first") { $0.messages.count == 1 }
            bob.link.suspendReading()
            for number in 1...40 { try await alice.publish("box/b", "\(number)") }
            #expect(bob.messages.count == 1)
            bob.link.resumeReading()
            try await bob.until("all") { $0.messages.count == 41 }
            #expect(bob.messages.map(\.text) == (0...40).map(String.init))
            try await alice.stop()
            try await bob.stop()
        }

        @Test("at most 20 publications are unacknowledged, and we hear when there is room again")
        func room() async throws {
            let broker = try await Mosquitto()
            let alice = Witness(try BrokerOptions(broker.url, "a"))
            try await alice.connected()
            #expect(alice.link.room == 20)
            for _ in 0..<20 { _ = try alice.link.publish(topic: "x", payload: [1], retain: false) }
            #expect(alice.link.room == 0)
            #expect(throws: TransportError.notNow) { try alice.link.publish(topic: "x", payload: [1], retain: false) }
            try await alice.until("room") { $0.events.contains(.roomAgain) && $0.link.room == 20 }
            try await alice.stop()
            #expect(alice.link.room == 0)
        }

        @Test("a megabyte goes through whole")
        func large() async throws {
            let broker = try await Mosquitto()
            let alice = Witness(try BrokerOptions(broker.url, "a"))
            try await alice.connected()
            try await alice.subscribed(to: "x")
            let payload = (0..<1_048_576).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
            _ = try alice.link.publish(topic: "x", payload: payload, retain: false)
            try await alice.until("the message") { witness in
                witness.events.contains(.message(topic: "x", payload: payload, retained: false))
            }
            try await alice.stop()
        }

        @Test("in MQTT 5 the broker keeps back what is longer than we take")
        func tooLong() async throws {
            let broker = try await Mosquitto()
            var options = try BrokerOptions(broker.url, "b")
            options.maximumPacket = 1_000
            let (alice, bob) = (Witness(try BrokerOptions(broker.url, "a")), Witness(options))
            try await alice.connected()
            try await bob.connected()
            try await bob.subscribed(to: "x")
            try await alice.publish("x", String(repeating: "x", count: 2_000))
            try await alice.publish("x", "short")
            try await bob.until("the short one") { !$0.messages.isEmpty }
            #expect(bob.messages.map(\.text) == ["short"])
            try await alice.stop()
            try await bob.stop()
        }

        @Test("a message that the broker may forget is forgotten")
        func expiry() async throws {
            let broker = try await Mosquitto()
            let bobs = try BrokerOptions(broker.url, "b")
            let before = Witness(bobs)
            try await before.connected()
            try await before.subscribed(to: "box/b")
            try await before.stop()
            let alice = Witness(try BrokerOptions(broker.url, "a"))
            try await alice.connected()
            let token = try alice.link.publish(topic: "box/b", payload: Array("soon".utf8), retain: false, expiry: 1)
            try await alice.until("taken") { $0.outcome(of: token) == .accepted }
            try await alice.publish("box/b", "ever")
            try await Task.sleep(for: .seconds(3))
            let after = Witness(bobs)
            try await after.until("a message") { !$0.messages.isEmpty }
            #expect(after.messages.map(\.text) == ["ever"])
            try await after.stop()
            try await alice.stop()
        }

        @Test("topics that cannot be are refused without troubling the broker")
        func topics() async throws {
            let broker = try await Mosquitto()
            let alice = Witness(try BrokerOptions(broker.url, "a"))
            try await alice.connected()
            for topic in ["", "a/#", "+", "a\0b", String(repeating: "x", count: 70_000)] {
                #expect(throws: TransportError.self) {
                    try alice.link.publish(topic: topic, payload: [], retain: false)
                }
            }
            alice.link.subscribe(["a/#/b", "", "fine", "a\0b"])
            try await alice.until("both answers") { witness in
                witness.events.count { if case .subscribed = $0 { true } else { false } } == 2
            }
            var granted: [String] = []
            var refused: [String] = []
            for case .subscribed(let good, let bad) in alice.events {
                granted += good
                refused += bad.map(\.topic)
            }
            #expect(granted == ["fine"])
            #expect(refused == ["a/#/b", "", "a\0b"])
            #expect(alice.link.isConnected)
            try await alice.stop()
        }

        @Test("hundreds of topics are subscribed to, and a topic given up brings nothing more")
        func manyTopics() async throws {
            let broker = try await Mosquitto()
            let alice = Witness(try BrokerOptions(broker.url, "a"))
            try await alice.connected()
            alice.link.subscribe((0..<300).map { "card/\($0)" })
            try await alice.until("all granted") { witness in
                var count = 0
                for case .subscribed(let granted, _) in witness.events { count += granted.count }
                return count == 300
            }
            try await alice.publish("card/299", "there")
            alice.link.unsubscribe(["card/299"])
            #expect(try await alice.publish("card/299", "gone") == .nobody)
            try await alice.publish("card/7", "still")
            try await alice.until("two messages") { $0.messages.count == 2 }
            #expect(alice.messages.map(\.text) == ["there", "still"])
            try await alice.stop()
        }

        @Test("while we do not read, no new connection is made; it is made when we read again")
        func held() async throws {
            let broker = try await Mosquitto()
            let alice = Witness(try BrokerOptions(broker.url, "a"))
            try await alice.connected()
            let handle = Weak(alice.link.current?.handle)
            #expect(handle.object != nil)
            alice.link.suspendReading()
            alice.link.abandon()
            try await alice.until("the handle's end") { _ in handle.object == nil }
            alice.link.dial()
            guard case .held = alice.link.phase else {
                Issue.record("not held")
                return
            }
            #expect(alice.events.count { $0 == .connecting } == 1)
            alice.link.resumeReading()
            try await alice.until("connected again") { $0.connections.count == 2 }
            try await alice.stop()
        }

        @Test("an owner may stop the link from inside an event")
        func stopsInside() async throws {
            let broker = try await Mosquitto()
            let alice = Witness(try BrokerOptions(broker.url, "a"))
            alice.reaction = { [unowned alice] in if case .connected = $0 { alice.link.stop() } }
            try await alice.until("stopped") { $0.events.last == .stopped }
            alice.reaction = { [unowned alice] in if case .connecting = $0 { alice.link.stop() } }
            alice.link.start()
            try await alice.until("stopped again") { $0.events.count { $0 == .stopped } == 2 }
            #expect(alice.connections.count == 1)
        }
    }
}

private final class Weak<Object: AnyObject> {
    weak var object: Object?

    init(_ object: Object?) { self.object = object }
}
