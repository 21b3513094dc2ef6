import TestSupport
import Testing

@testable import Transport

extension Links {
    /// A link at a real mosquitto.
    @Suite("A link to mosquitto")
    @MainActor
    struct LinkTests {
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
            let directory = try TemporaryDirectory()
            var right = try BrokerOptions(broker.url, "a")
            right.username = "alice"
            right.passwordFile = directory.file("word")
            try directory.write("word", "corr3ct\n")
            let alice = Witness(right)
            try await alice.connected()
            try await alice.stop()
            try directory.write("word", "wr0ng\n")
            let mallory = Witness(right)
            try await mallory.until("refused") { $0.failures.count > 1 }
            #expect(mallory.failures.allSatisfy { $0.contains("refuses us") && $0.contains("uthori") })
            #expect(!mallory.failures.contains { $0.contains("wr0ng") })
            // The next attempt reads it anew.
            try directory.write("word", "corr3ct\n")
            try await mallory.connected()
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

        @Test("while we do not read, no new connection is made; it is made when we read again")
        func held() async throws {
            let broker = try await Mosquitto()
            let alice = Witness(try BrokerOptions(broker.url, "a"))
            try await alice.connected()
            let handle = Weak(alice.mosquitto.current?.handle)
            #expect(handle.object != nil)
            alice.link.suspendReading()
            alice.mosquitto.abandon()
            try await alice.until("the handle's end") { _ in handle.object == nil }
            alice.mosquitto.dial()
            guard case .held = alice.mosquitto.phase else {
                Issue.record("not held")
                return
            }
            #expect(alice.events.count { $0 == .connecting } == 1)
            alice.link.resumeReading()
            try await alice.until("connected again") { $0.connections.count == 2 }
            try await alice.stop()
        }
    }
}

private final class Weak<Object: AnyObject> {
    weak var object: Object?

    init(_ object: Object?) { self.object = object }
}
