import System
import TestSupport
import Testing

@testable import Transport

extension Links {
    @Suite("A link over TLS")
    @MainActor
    struct TLSTests {
        private func options(_ port: UInt16, _ authority: String?, host: String = "127.0.0.1") throws -> BrokerOptions {
            var options = try BrokerOptions("mqtts://\(host):\(port)", "a")
            options.caFile = authority
            return options
        }

        private func broker(_ certificates: Certificates, requiresClient: Bool = false) async throws -> Mosquitto {
            var options = Mosquitto.Options()
            options.tls = certificates
            options.requiresClientCertificate = requiresClient
            return try await Mosquitto(options)
        }

        /// Waits for two failures and returns the first reason; TLS faults never count as a refusal of MQTT 5.
        private func reason(_ options: BrokerOptions, timing: LinkTiming = .quick) async throws -> String {
            let alice = Witness(options, timing: timing)
            try await alice.until("two failures") { $0.failures.count >= 2 }
            #expect(alice.connections.isEmpty)
            #expect(alice.mosquitto.negotiation.version(at: KernelClock.boottime.now) == .v5)
            try await alice.stop()
            return alice.failures[0]
        }

        @Test("a broker whose certificate we can check is talked to, large messages included")
        func works() async throws {
            let certificates = try Certificates()
            let broker = try await broker(certificates)
            let alice = Witness(try options(broker.port, certificates.authority))
            try await alice.connected()
            #expect(alice.connections[0].version == .v5)
            try await alice.subscribed(to: "x")
            let payload = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 7 >> 2) }
            for _ in 0..<3 { _ = try alice.link.publish(topic: "x", payload: payload, retain: false) }
            try await alice.until("all three") { witness in
                witness.events.count { $0 == .message(topic: "x", payload: payload, retained: false) } == 3
                    && witness.link.room == 20
            }
            alice.link.suspendReading()
            for number in 0..<20 { _ = try alice.link.publish(topic: "x", payload: [UInt8(number)], retain: false) }
            alice.link.resumeReading()
            try await alice.until("the last of twenty more") { witness in
                witness.link.room == 20 && witness.events.contains(.message(topic: "x", payload: [19], retained: false))
            }
            try await alice.stop()
        }

        @Test("a clean end over TLS takes no longer than its answers: nothing waits for the time that it may take")
        func ends() async throws {
            let certificates = try Certificates()
            let broker = try await broker(certificates)
            var timing = LinkTiming.quick
            timing.farewellWithin = 3_600
            for _ in 0..<5 {
                let alice = Witness(try options(broker.port, certificates.authority), timing: timing)
                try await alice.connected()
                alice.link.stop(publishing: [MQTTPublication(topic: "x", payload: [1])])
                try await alice.until("stopped") { $0.events.last == .stopped }
            }
        }

        @Test("a certificate of an authority that we do not know is refused, with OpenSSL's reason")
        func stranger() async throws {
            let (ours, theirs) = (try Certificates(), try Certificates())
            let broker = try await broker(theirs)
            for authority in [ours.authority, nil] {
                let words = try await reason(try options(broker.port, authority))
                #expect(words.contains("TLS: certificate verify failed: "))
            }
        }

        @Test("a certificate for another name is refused by that name")
        func otherName() async throws {
            let certificates = try Certificates(for: "DNS:broker.example")
            let broker = try await broker(certificates)
            let words = try await reason(try options(broker.port, certificates.authority))
            #expect(words.hasSuffix("TLS: the broker's certificate is not for 127.0.0.1"))
        }

        @Test("a broker that wants a client certificate gets ours, and refuses us without it")
        func clientCertificate() async throws {
            let certificates = try Certificates()
            let broker = try await broker(certificates, requiresClient: true)
            var options = try options(broker.port, certificates.authority)
            // Its alert is a race against its hanging up; it loses now and then.
            let stranger = Witness(options)
            try await stranger.until("the alert") { $0.failures.contains { $0.contains("certificate required") } }
            #expect(stranger.failures.filter { !$0.contains("certificate") } == [])
            try await stranger.stop()
            options.certFile = certificates.clientCertificate
            options.keyFile = certificates.clientKey
            let alice = Witness(options)
            try await alice.connected()
            try await alice.stop()
        }

        @Test("files that are not there, or do not belong together, are named")
        func files() async throws {
            let certificates = try Certificates()
            let broker = try await broker(certificates)
            var options = try options(broker.port, "/nowhere/ca.pem")
            #expect(try await reason(options) == "cannot read /nowhere/ca.pem: no such file or directory")
            options.caFile = certificates.authority
            options.certFile = certificates.clientCertificate
            #expect(try await reason(options).contains("needs its key file"))
            options.keyFile = certificates.key
            let words = "cannot use \(certificates.key): it is not the key of \(certificates.clientCertificate)"
            #expect(try await reason(options).hasSuffix(words))
        }

        @Test("a file whose certificate or key is garbage is named, and a directory", arguments: [0, 1, 2])
        func garbage(_ which: Int) async throws {
            let certificates = try Certificates()
            let broker = try await broker(certificates)
            let directory = try TemporaryDirectory()
            let file = directory.file("garbage.pem")
            let kind = which == 2 ? "PRIVATE KEY" : "CERTIFICATE"
            try directory.write("garbage.pem", "-----BEGIN \(kind)-----\n!!!\n-----END \(kind)-----\n")
            var options = try options(broker.port, which == 0 ? file : certificates.authority)
            options.certFile = which == 1 ? file : certificates.clientCertificate
            options.keyFile = which == 2 ? file : certificates.clientKey
            #expect(try await reason(options).contains("cannot use \(file)"))
        }

        @Test("a broker that closes or resets in the handshake, or is silent there, is named so", arguments: [0, 1, 2])
        func handshake(_ way: Int) async throws {
            let certificates = try Certificates()
            let broker = try FakeBroker { connection, _ in
                if way == 1 { connection.resetOnClose() }
                if way == 2 { connection.drain() } else { _ = connection.packet() }
            }
            var timing = LinkTiming.quick
            timing.answerWithin = 0.5
            let words = try await reason(try options(broker.port, certificates.authority), timing: timing)
            #expect(words.contains("in the TLS handshake"))
            #expect(words.contains(way == 2 ? "no answer" : "ended the connection"))
        }

        @Test("a broker that does not speak TLS at all is found out")
        func plain() async throws {
            let certificates = try Certificates()
            let broker = try FakeBroker { connection, _ in
                connection.send([0x20, 3, 0, 0, 0, 0x20, 3, 0, 0, 0])
                connection.drain()
            }
            let words = try await reason(try options(broker.port, certificates.authority))
            #expect(words.contains("TLS: ") && !words.contains("handshake"))
        }
    }
}
