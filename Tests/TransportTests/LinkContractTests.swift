import TestSupport
import Testing
import Transport

extension Links {
    /// What `Link` promises, the same for every implementation.
    @Suite("The link contract")
    @MainActor
    struct LinkContractTests {
        @Test("a link is quiet before its start, and after its end", arguments: LinkImplementation.allCases)
        func quiet(_ implementation: LinkImplementation) async throws {
            let broker = try await implementation.broker()
            let alice = try broker.witness("a")
            #expect(!alice.link.isConnected && alice.link.room == 0 && alice.link.dropped == 0)
            #expect(throws: TransportError.notNow) { try alice.link.publish(topic: "x", payload: [], retain: false) }
            alice.link.subscribe(["x"])
            alice.link.unsubscribe(["x"])
            #expect(alice.events.isEmpty)
            alice.link.start()
            try await alice.connected()
            #expect(alice.events.prefix(2) == [.connecting, .connected(version: .v5, sessionPresent: false)])
            try await alice.stop()
            alice.link.stop()
            #expect(throws: TransportError.notNow) { try alice.link.publish(topic: "x", payload: [], retain: false) }
            try await Task.sleep(for: .milliseconds(100))
            #expect(alice.events.filter { if case .learnt = $0 { false } else { true } }.count == 3)
        }

        @Test(
            "a link whose connection breaks says so, dials again, and finds its session",
            arguments: LinkImplementation.allCases)
        func breaks(_ implementation: LinkImplementation) async throws {
            let broker = try await implementation.broker()
            let (alice, bob) = (try broker.witness("a"), try broker.witness("b"))
            try await alice.connected()
            try await bob.connected()
            try await bob.subscribed(to: "box/b")
            broker.cut(bob)
            try await bob.until("disconnected") { $0.disconnections.count == 1 }
            #expect(try await alice.publish("box/b", "meanwhile") == .accepted)
            try await bob.until("the message") { $0.messages.map(\.text) == ["meanwhile"] }
            #expect(bob.connections.map(\.sessionPresent) == [false, true])
            #expect(bob.link.room == 20)
            try await bob.stop()
            try await alice.stop()
        }

        @Test("what a connection leaves without an answer stays without", arguments: LinkImplementation.allCases)
        func unanswered(_ implementation: LinkImplementation) async throws {
            let broker = try await implementation.broker()
            let alice = try broker.witness("a")
            try await alice.connected()
            alice.link.suspendReading()
            let token = try alice.link.publish(topic: "x", payload: [1], retain: false)
            #expect(alice.link.room == 19)
            broker.cut(alice)
            alice.link.resumeReading()
            try await alice.until("connected again") { $0.connections.count == 2 && $0.link.room == 20 }
            #expect(alice.outcome(of: token) == nil)
            #expect(try await alice.publish("x", "again") == .nobody)
            try await alice.stop()
        }

        @Test("while nothing is read no new connection is made", arguments: LinkImplementation.allCases)
        func heldBack(_ implementation: LinkImplementation) async throws {
            let broker = try await implementation.broker()
            let alice = try broker.witness("a")
            try await alice.connected()
            alice.link.suspendReading()
            broker.cut(alice)
            try await alice.until("disconnected") { !$0.disconnections.isEmpty }
            try await Task.sleep(for: .seconds(1))
            #expect(alice.events.count { $0 == .connecting } == 1)
            alice.link.resumeReading()
            try await alice.until("connected again") { $0.connections.count == 2 }
            try await alice.stop()
        }

        @Test(
            "while the broker is away attempts fail one after the other, and what it kept is there when it comes back",
            arguments: LinkImplementation.allCases)
        func comesBack(_ implementation: LinkImplementation) async throws {
            let broker = try await implementation.broker()
            let bob = try broker.witness("b")
            try await bob.connected()
            try await bob.subscribed(to: "box/b")
            try await bob.publish("card/b", "card", retain: true)
            broker.stop()
            try await bob.until("two failures") { !$0.disconnections.isEmpty && $0.failures.count >= 2 }
            #expect(!bob.link.isConnected)
            #expect(bob.failures.allSatisfy { $0.contains("connection refused") })
            try await broker.restart()
            try await bob.until("connected again") { $0.connections.count == 2 }
            #expect(bob.connections[1].sessionPresent)
            #expect(try await bob.publish("box/b", "here again") == .accepted)
            try await bob.until("the message") { $0.messages.map(\.text) == ["here again"] }
            try await bob.subscribed(to: "card/b")
            try await bob.until("the card") { $0.messages.count == 2 }
            #expect(bob.messages[1] == ("card/b", "card", true))
            try await bob.stop()
        }

        @Test("another link with the same client id takes the connection over", arguments: LinkImplementation.allCases)
        func takenOver(_ implementation: LinkImplementation) async throws {
            let broker = try await implementation.broker()
            let first = try broker.witness("a")
            try await first.connected()
            first.reaction = { [unowned first] in if case .disconnected = $0 { first.link.stop() } }
            let second = try broker.witness("a")
            try await second.connected()
            try await first.until("stopped") { $0.events.last == .stopped }
            #expect(first.disconnections.count == 1)
            // Not every broker says why.
            if let said = first.events.firstIndex(of: .takenOver) { #expect(said == first.events.count - 3) }
            #expect(second.link.isConnected)
            try await second.stop()
        }

        @Test(
            "a message goes to whoever is subscribed, and its publisher hears that it was taken",
            arguments: LinkImplementation.allCases)
        func publishes(_ implementation: LinkImplementation) async throws {
            let broker = try await implementation.broker()
            let (alice, bob) = (
                try broker.witness("a"), try broker.witness("b")
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

        @Test(
            "a retained message is there for who comes later, and an empty one takes it away",
            arguments: LinkImplementation.allCases)
        func retains(_ implementation: LinkImplementation) async throws {
            let broker = try await implementation.broker()
            let alice = try broker.witness("a")
            try await alice.connected()
            try await alice.publish("card/a", "my card", retain: true)
            let bob = try broker.witness("b")
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

        @Test("the publisher learns that there is no reader", arguments: LinkImplementation.allCases)
        func nobody(_ implementation: LinkImplementation) async throws {
            let broker = try await implementation.broker()
            let alice = try broker.witness("a")
            try await alice.connected()
            #expect(try await alice.publish("box/nobody", "anybody?") == .nobody)
            try await alice.stop()
        }

        @Test("a message waits in the session for who was away", arguments: LinkImplementation.allCases)
        func session(_ implementation: LinkImplementation) async throws {
            let broker = try await implementation.broker()
            let bobs = try broker.options("b")
            let before = broker.witness(bobs)
            try await before.connected()
            #expect(before.connections[0].sessionPresent == false)
            try await before.subscribed(to: "box/b")
            try await before.stop()
            let alice = try broker.witness("a")
            try await alice.connected()
            #expect(try await alice.publish("box/b", "for later") == .accepted)
            let after = broker.witness(bobs)
            try await after.until("the message") { $0.messages.map(\.text) == ["for later"] }
            #expect(after.connections[0].sessionPresent)
            try await after.stop()
            var afresh = bobs
            afresh.startsClean = true
            let clean = broker.witness(afresh)
            try await clean.connected()
            #expect(clean.connections[0].sessionPresent == false)
            try await clean.stop()
            try await alice.stop()
        }

        @Test(
            "the broker tells the others when the link breaks, and does not when it ends cleanly",
            arguments: LinkImplementation.allCases)
        func will(_ implementation: LinkImplementation) async throws {
            let broker = try await implementation.broker()
            let watcher = try broker.witness("w")
            try await watcher.connected()
            try await watcher.subscribed(to: "state/#")
            var options = try broker.options("a")
            options.will = Will(topic: "state/a", payload: Array("gone".utf8))
            let alice = broker.witness(options)
            try await alice.connected()
            try await alice.stop(publishing: [MQTTPublication(topic: "state/a", payload: Array("bye".utf8))])
            try await watcher.until("the last words") { !$0.messages.isEmpty }
            alice.link.start()
            try await alice.connected()
            broker.cut(alice)
            try await watcher.until("the will") { $0.messages.count == 2 }
            #expect(watcher.messages.map(\.text) == ["bye", "gone"])
            try await alice.stop()
            try await watcher.stop()
        }

        @Test(
            "while we do not read nothing comes, and all of it afterwards, in order",
            arguments: LinkImplementation.allCases)
        func backPressure(_ implementation: LinkImplementation) async throws {
            let broker = try await implementation.broker()
            let (alice, bob) = (
                try broker.witness("a"), try broker.witness("b")
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

        @Test(
            "at most 20 publications are unacknowledged, and we hear when there is room again",
            arguments: LinkImplementation.allCases)
        func room(_ implementation: LinkImplementation) async throws {
            let broker = try await implementation.broker()
            let alice = try broker.witness("a")
            try await alice.connected()
            #expect(alice.link.room == 20)
            for _ in 0..<20 { _ = try alice.link.publish(topic: "x", payload: [1], retain: false) }
            #expect(alice.link.room == 0)
            #expect(throws: TransportError.notNow) { try alice.link.publish(topic: "x", payload: [1], retain: false) }
            try await alice.until("room") { $0.events.contains(.roomAgain) && $0.link.room == 20 }
            try await alice.stop()
            #expect(alice.link.room == 0)
        }

        @Test("in MQTT 5 the broker keeps back what is longer than we take", arguments: LinkImplementation.allCases)
        func tooLong(_ implementation: LinkImplementation) async throws {
            let broker = try await implementation.broker()
            var options = try broker.options("b")
            options.maximumPacket = 1_000
            let (alice, bob) = (try broker.witness("a"), broker.witness(options))
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

        @Test("a broker that takes no will is joined without one", arguments: LinkImplementation.allCases)
        func noWill(_ implementation: LinkImplementation) async throws {
            let broker = try await implementation.broker(.withoutRetain)
            var options = try broker.options("a")
            options.will = Will(topic: "state/a", payload: [1])
            let alice = broker.witness(options)
            try await alice.connected()
            try await alice.until("told") { $0.events.contains(.willLeftOut) }
            #expect(try await alice.publish("box/nobody", "still here") == .nobody)
            try await alice.stop()
        }

        @Test(
            "a broker says how long a packet may be, and a longer one is refused here",
            arguments: LinkImplementation.allCases)
        func packetLimit(_ implementation: LinkImplementation) async throws {
            let broker = try await implementation.broker(.shortPackets)
            let alice = try broker.witness("a")
            #expect(alice.link.greeting?.packetLimit == nil)
            try await alice.connected()
            #expect(alice.link.greeting?.packetLimit == 2_000)
            let payload = [UInt8](repeating: 1, count: 2_000)
            #expect(throws: TransportError.refused("the broker takes no message of 2000 bytes")) {
                try alice.link.publish(topic: "x", payload: payload, retain: false)
            }
            #expect(try await alice.publish("x", "short") == .nobody)
            try await alice.stop()
        }

        @Test("a message that the broker may forget is forgotten", arguments: LinkImplementation.allCases)
        func expiry(_ implementation: LinkImplementation) async throws {
            let broker = try await implementation.broker()
            let bobs = try broker.options("b")
            let before = broker.witness(bobs)
            try await before.connected()
            try await before.subscribed(to: "box/b")
            try await before.stop()
            let alice = try broker.witness("a")
            try await alice.connected()
            let token = try alice.link.publish(topic: "box/b", payload: Array("soon".utf8), retain: false, expiry: 1)
            try await alice.until("taken") { $0.outcome(of: token) == .accepted }
            try await alice.publish("box/b", "ever")
            try await Task.sleep(for: .seconds(3))
            let after = broker.witness(bobs)
            try await after.until("a message") { !$0.messages.isEmpty }
            #expect(after.messages.map(\.text) == ["ever"])
            try await after.stop()
            try await alice.stop()
        }

        @Test("topics that cannot be are refused without troubling the broker", arguments: LinkImplementation.allCases)
        func topics(_ implementation: LinkImplementation) async throws {
            let broker = try await implementation.broker()
            let alice = try broker.witness("a")
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

        @Test(
            "hundreds of topics are subscribed to, and a topic given up brings nothing more",
            arguments: LinkImplementation.allCases)
        func manyTopics(_ implementation: LinkImplementation) async throws {
            let broker = try await implementation.broker()
            let alice = try broker.witness("a")
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

        @Test("an owner may stop the link from inside an event", arguments: LinkImplementation.allCases)
        func stopsInside(_ implementation: LinkImplementation) async throws {
            let broker = try await implementation.broker()
            let alice = try broker.witness("a")
            alice.reaction = { [unowned alice] in if case .connected = $0 { alice.link.stop() } }
            try await alice.until("stopped") { $0.events.last == .stopped }
            alice.reaction = { [unowned alice] in if case .connecting = $0 { alice.link.stop() } }
            alice.link.start()
            try await alice.until("stopped again") { $0.events.count { $0 == .stopped } == 2 }
            #expect(alice.connections.count == 1)
        }
    }
}
