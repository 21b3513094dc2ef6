import Glibc
import System
import TestSupport
import Testing

@testable import Transport

extension Links {
    /// A link at brokers that are old, odd or hostile.
    @Suite("A link to a broker that misbehaves")
    @MainActor
    struct HostileBrokerTests {
        private nonisolated static let welcome4: [UInt8] = [0x20, 2, 0, 0]
        private nonisolated static let welcome5: [UInt8] = [0x20, 3, 0, 0, 0]

        /// Welcomes 3.1.1 and then answers pings, subscriptions and publications.
        private nonisolated static func serve4(_ connection: FakeConnection) {
            connection.send(welcome4)
            while let (head, body) = connection.packet() {
                switch head & 0xf0 {
                case 0x30 where body.count >= 2:
                    let name = Int(body[0]) << 8 | Int(body[1])
                    if head & 0x06 != 0 { connection.send([0x40, 2, body[2 + name], body[3 + name]]) }
                case 0x80: connection.send([0x90, 3, body[0], body[1], 1])
                case 0xc0: connection.send([0xd0, 0])
                default: break
                }
            }
        }

        @Test(
            "a broker that speaks only 3.1.1 is spoken to in 3.1.1, whichever way it refuses MQTT 5",
            arguments: ["CONNACK 0x84", "CONNACK 1 of 3.1.1", "closes", "resets", "answers nonsense"])
        func refusesFive(_ way: String) async throws {
            let levels = Log()
            let broker = try FakeBroker { connection, _ in
                guard let level = connection.level() else { return }
                levels.add(level)
                guard level == 5 else { return Self.serve4(connection) }
                switch way {
                case "CONNACK 0x84": connection.send([0x20, 3, 0, 0x84, 0])
                case "CONNACK 1 of 3.1.1": connection.send([0x20, 2, 0, 1])
                case "resets": connection.resetOnClose()
                case "answers nonsense": connection.send([0x20, 4, 0xff, 0, 0x7f, 0xff])
                default: break
                }
            }
            let alice = Witness(try BrokerOptions(broker.url, "a"))
            try await alice.connected()
            #expect(alice.connections[0].version == .v311)
            #expect(alice.failures.count == 1)
            #expect(alice.failures[0].contains("MQTT 5"))
            try await alice.subscribed(to: "x")
            #expect(try await alice.publish("x", "old but good") == .accepted)
            // Remembered: the next connection begins with 3.1.1.
            alice.mosquitto.abandon()
            alice.mosquitto.dial()
            try await alice.until("connected again") { $0.connections.count == 2 }
            #expect(levels.values == [5, 4, 4])
            try await alice.stop()
        }

        @Test(
            "as many publications leave at once as the broker takes, and none is kept back in libmosquitto",
            arguments: [(nil, 5, 256), (3, 5, 3), (100, 5, 100), (1000, 5, 256), (nil, 4, 20)]
                as [(UInt16?, UInt8, Int)])
        func receiveMaximum(_ maximum: UInt16?, _ level: UInt8, _ room: Int) async throws {
            let publications = Log()
            let broker = try FakeBroker { connection, _ in
                guard let offered = connection.level() else { return }
                if offered == 5, level == 4 { return connection.send([0x20, 3, 0, 0x84, 0]) }
                let property: [UInt8] = maximum.map { [3, 0x21, UInt8($0 >> 8), UInt8($0 & 0xff)] } ?? [0]
                let body: [UInt8] = level == 5 ? [0, 0] + property : [0, 0]
                connection.send([0x20, UInt8(body.count)] + body)
                // Takes publications and says nothing to them.
                while let (head, _) = connection.packet() {
                    if head & 0xf0 == 0x30 { publications.add(head) }
                    if head == 0xc0 { connection.send([0xd0, 0]) }
                }
            }
            let alice = Witness(try BrokerOptions(broker.url, "a"))
            try await alice.connected()
            #expect(alice.link.room == room)
            for _ in 0..<room { _ = try alice.link.publish(topic: "x", payload: [1], retain: false) }
            #expect(alice.link.room == 0)
            #expect(throws: TransportError.notNow) { try alice.link.publish(topic: "x", payload: [1], retain: false) }
            try await alice.until("all are there") { _ in publications.values.count == room }
            alice.mosquitto.abandon()
        }

        @Test("a broker that refused MQTT 5 is offered it again later")
        func offersAgain() async throws {
            let broker = try FakeBroker { connection, number in
                guard let level = connection.level() else { return }
                if level == 4 { return Self.serve4(connection) }
                if number == 0 { return connection.send([0x20, 3, 0, 0x84, 0]) }
                connection.send(Self.welcome5)
                connection.drain()
            }
            var timing = LinkTiming.quick
            timing.offerAgainAfter = 2
            let alice = Witness(try BrokerOptions(broker.url, "a"), timing: timing)
            try await alice.connected()
            try await alice.until("time has passed") { witness in
                guard witness.connections.last?.version != .v5 else { return true }
                if witness.link.isConnected {
                    witness.mosquitto.abandon()
                    witness.mosquitto.dial()
                }
                return false
            }
            #expect(alice.connections.first?.version == .v311)
            try await alice.stop()
        }

        @Test("a broker that closes every connection without an answer is called again and again, in both versions")
        func closes() async throws {
            let levels = Log()
            let broker = try FakeBroker { connection, _ in connection.level().map(levels.add) }
            let alice = Witness(try BrokerOptions(broker.url, "a"))
            try await alice.until("four failures") { $0.failures.count >= 4 }
            #expect(
                alice.failures.allSatisfy { $0.hasPrefix("the broker ended the connection before it answered MQTT") })
            #expect(levels.values.prefix(4) == [5, 4, 5, 4])
            try await alice.stop()
        }

        @Test("a broker that never answers is given up, and said to be silent")
        func silent() async throws {
            let broker = try FakeBroker { connection, _ in connection.drain() }
            var timing = LinkTiming.quick
            timing.answerWithin = 0.3
            let alice = Witness(try BrokerOptions(broker.url, "a"), timing: timing)
            try await alice.until("two failures") { $0.failures.count >= 2 }
            #expect(alice.failures[0].hasPrefix("no answer within"))
            try await alice.stop()
        }

        @Test("nobody listens: the reason is the system's, and MQTT 5 is still what comes first")
        func away() async throws {
            let port = try freePort()
            let alice = Witness(try BrokerOptions("mqtt://127.0.0.1:\(port)", "a"))
            try await alice.until("three failures") { $0.failures.count >= 3 }
            #expect(alice.failures[0] == "cannot reach mqtt://127.0.0.1:\(port): connection refused")
            #expect(alice.mosquitto.negotiation.version(at: KernelClock.boottime.now) == .v5)
            try await alice.stop()
            let path = Witness(try BrokerOptions("unix:///nowhere/at/all", "a"))
            try await path.until("a failure") { !$0.failures.isEmpty }
            #expect(path.failures[0].hasSuffix("no such file or directory"))
            try await path.stop()
        }

        @Test("the reason that a broker gives for hanging up is passed on, and a take-over is told apart")
        func takenOver() async throws {
            let broker = try FakeBroker { connection, number in
                guard connection.level() == 5 else { return }
                connection.send(Self.welcome5)
                connection.send(number == 0 ? [0xe0, 2, 0x8e, 0] : [0xe0, 2, 0x8b, 0])
                connection.drain()
            }
            let alice = Witness(try BrokerOptions(broker.url, "a"))
            try await alice.until("two ends") { $0.disconnections.count >= 2 }
            #expect(alice.disconnections[0].contains("session taken over"))
            #expect(alice.disconnections[1].contains("shutting down"))
            #expect(alice.events.count { $0 == .takenOver } == 1)
            try await alice.stop()
        }

        @Test(
            "a packet whose length says that it is far too long ends the connection before its room is missed",
            arguments: [[0xff, 0xff, 0xff, 0x7f], [0x80, 0x80, 0x80, 0x2b], [0x80, 0x80, 0x80, 0x0c]] as [[UInt8]])
        func announces(_ length: [UInt8]) async throws {
            let broker = try FakeBroker { connection, _ in
                guard connection.level() == 5 else { return }
                connection.send(Self.welcome5)
                connection.send([0x30, 4, 0, 1, 0x78, 0] + [0x30] + length + [0, 1, 0x78])
                connection.drain()
            }
            let alice = Witness(try BrokerOptions(broker.url, "a"))
            try await alice.until("disconnected twice") { $0.disconnections.count >= 2 }
            #expect(alice.disconnections[0] == "the broker announces a packet that is much longer than we take")
            #expect(alice.messages.first?.topic == "x")
            try await alice.stop()
        }

        @Test("a broker that does not accept the client id is told apart", arguments: [4, 5] as [UInt8])
        func clientID(level: UInt8) async throws {
            let broker = try FakeBroker { connection, _ in
                guard connection.level() == level else { return }
                connection.send(level == 5 ? [0x20, 3, 0, 0x85, 0] : [0x20, 2, 0, 2])
            }
            let alice = Witness(try BrokerOptions(broker.url, "a"))
            try await alice.until("refused") { $0.events.contains(.clientIDRefused) }
            try await alice.until("failed") { $0.failures.last?.contains("refuses us") == true }
            try await alice.stop()
        }

        @Test(
            "a broker that lets nobody in with a will is left without one, whichever way it says so",
            arguments: ["retain not supported", "not authorised", "closes", "closes, 3.1.1"])
        func will(_ way: String) async throws {
            let broker = try FakeBroker { connection, _ in
                guard let (_, body) = connection.packet(), body.count > 7 else { return }
                let hasWill = body[7] & 0x04 != 0
                if way == "closes, 3.1.1", body[6] == 5 { return }
                guard hasWill else {
                    connection.send(body[6] == 5 ? Self.welcome5 : Self.welcome4)
                    return connection.drain()
                }
                switch way {
                case "retain not supported": connection.send([0x20, 3, 0, 0x9a, 0])
                case "not authorised": connection.send([0x20, 3, 0, 0x87, 0])
                default: break
                }
            }
            var options = try BrokerOptions(broker.url, "a")
            options.will = Will(topic: "state/a", payload: [1])
            let alice = Witness(options)
            try await alice.connected()
            try await alice.until("told") { $0.events.contains(.willLeftOut) }
            try await alice.stop()
        }

        @Test("what is learnt of a broker is told, and the next link begins with it")
        func learns() async throws {
            let levels = Log()
            let broker = try FakeBroker { connection, _ in
                guard let level = connection.level() else { return }
                levels.add(level)
                if level == 4 { Self.serve4(connection) } else { connection.send([0x20, 3, 0, 0x84, 0]) }
            }
            var options = try BrokerOptions(broker.url, "a")
            let alice = Witness(options)
            try await alice.connected()
            var known: BrokerKnowledge?
            for case .learnt(let knowledge) in alice.events { known = knowledge }
            try await alice.stop()
            options.knowledge = try #require(known)
            #expect(options.knowledge.olderUntil != nil && !options.knowledge.speaksFive)
            let again = Witness(options)
            try await again.connected()
            #expect(levels.values == [5, 4, 4])
            try await again.stop()
        }

        @Test("an announced packet of 256 MB that there is no memory for ends the connection, and nothing else")
        func refusesMemory() async throws {
            let broker = try FakeBroker { connection, number in
                guard connection.level() == 5 else { return }
                connection.send(Self.welcome5)
                if number == 0 { connection.send([0x30, 0xff, 0xff, 0xff, 0x7f, 0, 1, 0x78]) }
                connection.drain()
            }
            var old = rlimit()
            getrlimit(__rlimit_resource_t(2), &old)  // RLIMIT_DATA
            var low = old
            low.rlim_cur = rlim_t(try figure("VmData") + 200 << 20)
            setrlimit(__rlimit_resource_t(2), &low)
            defer { setrlimit(__rlimit_resource_t(2), &old) }
            let alice = Witness(try BrokerOptions(broker.url, "a"))
            try await alice.until("connected again") { $0.connections.count == 2 }
            #expect(alice.disconnections == ["no memory for what the broker sends"])
            try await alice.stop()
        }

        @Test("any bytes after the welcome end the connection at worst")
        func garbage() async throws {
            let broker = try FakeBroker { connection, number in
                // 3.1.1 alone: what libmosquitto makes of MQTT 5's properties is not this link's to mend.
                guard connection.level() == 4 else { return }
                connection.send(Self.welcome4)
                var generator = Seeded(UInt64(number) + 1)
                connection.send((0..<512).map { _ in UInt8.random(in: 0...255, using: &generator) })
            }
            var timing = LinkTiming.quick
            timing.longestWait = 0.1
            timing.shortestWait = 0.01
            let alice = Witness(try BrokerOptions(broker.url, "a"), timing: timing)
            try await alice.until("fifty ends") { $0.failures.count + $0.disconnections.count >= 50 }
            try await alice.stop()
        }

        @Test(
            "a packet that breaks the rules ends the connection with a reason",
            arguments: [
                ([0x20, 3, 0, 0, 0], "twice"),  // CONNACK again
                ([0x30, 4, 0, 2, 0xff, 0xfe], "UTF-8"),  // a topic that is not UTF-8
                ([0x30, 2, 0, 0], "rules"),  // no topic
                ([0x40, 2, 0, 0], "rules"),  // PUBACK without a packet identifier
                ([0x10, 0], "rules"),  // CONNECT
                ([0x30, 0xff, 0xff, 0xff, 0xff, 0xff], "rules"),  // a length of five bytes
            ] as [([UInt8], String)])
        func breaksRules(_ packet: [UInt8], _ word: String) async throws {
            let broker = try FakeBroker { connection, _ in
                guard connection.level() == 5 else { return }
                connection.send(Self.welcome5)
                connection.send(packet)
                connection.drain()
            }
            let alice = Witness(try BrokerOptions(broker.url, "a"))
            try await alice.until("disconnected") { !$0.disconnections.isEmpty }
            #expect(alice.disconnections[0].contains(word))
            try await alice.stop()
        }

        @Test("a connection that has ended leaves nothing behind: no socket, no handle")
        func leavesNothing() async throws {
            let ended = Log()
            let broker = try FakeBroker { connection, _ in
                guard connection.level() == 5 else { return }
                connection.send(Links.HostileBrokerTests.welcome5 + [0xe0, 2, 0x8b, 0])
                // Ends only when our side has closed every descriptor of the connection.
                connection.drain()
                ended.add(1)
            }
            var timing = LinkTiming.quick
            timing.longestWait = 0.1
            timing.shortestWait = 0.01
            let alice = Witness(try BrokerOptions(broker.url, "a"), timing: timing)
            try await alice.until("ten ends") { _ in ended.values.count >= 10 }
            try await alice.until("connected") { $0.link.isConnected || $0.disconnections.count > 12 }
            try await alice.stop()
            let connections = alice.connections.count
            try await alice.until("all ended") { _ in ended.values.count >= connections }
        }

        @Test("acknowledgements of what was never sent change nothing")
        func strayAnswers() async throws {
            let broker = try FakeBroker { connection, _ in
                guard connection.level() == 5 else { return }
                connection.send(Self.welcome5)
                connection.send([0x40, 2, 0, 9, 0x90, 4, 0, 9, 0, 1, 0xb0, 4, 0, 9, 0, 0, 0x30, 5, 0, 1, 0x78, 0, 0x21])
                connection.drain()
            }
            let alice = Witness(try BrokerOptions(broker.url, "a"))
            try await alice.until("the message after them") { $0.messages.count == 1 }
            #expect(alice.events.count == 4)
            // This broker names no receive maximum, so our own bound holds.
            #expect(alice.link.room == 256)
            try await alice.stop()
        }

        @Test("in 3.1.1, too, a message that is too long is dropped and counted")
        func tooLong() async throws {
            let broker = try FakeBroker { connection, _ in
                guard connection.level() == 4 else { return }
                connection.send(Self.welcome4)
                connection.send([0x30, 103, 0, 1, 0x78] + [UInt8](repeating: 0x21, count: 100))
                connection.send([0x30, 4, 0, 1, 0x78, 0x21])
                connection.drain()
            }
            var options = try BrokerOptions(broker.url, "a")
            options.maximumPacket = 99
            let alice = Witness(options)
            try await alice.until("the short one") { !$0.messages.isEmpty }
            #expect(alice.messages.map(\.text) == ["!"])
            #expect(alice.link.dropped == 1)
            #expect(alice.events.contains(.tooLong(topic: "x", bytes: 100)))
            try await alice.stop()
        }

        @Test("a broker that takes two at once is given two at once")
        func receiveMaximum() async throws {
            let broker = try FakeBroker { connection, _ in
                guard connection.level() == 5 else { return }
                connection.send([0x20, 6, 0, 0, 3, 0x21, 0, 2])
                connection.drain()
            }
            let alice = Witness(try BrokerOptions(broker.url, "a"))
            try await alice.connected()
            #expect(alice.link.room == 2)
            for _ in 0..<2 { _ = try alice.link.publish(topic: "x", payload: [], retain: false) }
            #expect(throws: TransportError.notNow) { try alice.link.publish(topic: "x", payload: [], retain: false) }
            try await alice.stop()
        }

        @Test("what a broker grants is known as long as the connection lasts")
        func grants() async throws {
            let broker = try FakeBroker { connection, _ in
                guard connection.level() == 5 else { return }
                // Session expiry 300, receive maximum 2, no retained messages, packets of 65536 bytes.
                connection.send(
                    [0x20, 18, 0, 0, 15, 0x11, 0, 0, 1, 0x2c, 0x21, 0, 2, 0x25, 0, 0x27, 0, 1, 0, 0])
                connection.drain()
            }
            let alice = Witness(try BrokerOptions(broker.url, "a"))
            #expect(alice.link.greeting == nil)
            try await alice.connected()
            let greeting = try #require(alice.link.greeting)
            #expect((greeting.sessionExpiry, greeting.receiveMaximum) == (300, 2))
            #expect((greeting.packetLimit, greeting.keepsRetained) == (65_536, false))
            try await alice.stop()
            #expect(alice.link.greeting == nil)
        }

        @Test("a broker that does not take our goodbye is left all the same")
        func deafAtTheEnd() async throws {
            let broker = try FakeBroker { connection, _ in
                guard connection.level() == 5 else { return }
                connection.send(Self.welcome5)
                while true { guard connection.packet() != nil else { break } }
                sleep(20)
            }
            var timing = LinkTiming.quick
            timing.farewellWithin = 0.3
            let alice = Witness(try BrokerOptions(broker.url, "a"), timing: timing)
            try await alice.connected()
            try await alice.stop(publishing: [MQTTPublication(topic: "state/a", payload: [1])])
            #expect(!alice.link.isConnected)
        }
    }
}

/// What the threads of a fake broker have seen.
final class Log: @unchecked Sendable {
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    /// Guarded by `lock`.
    private var seen: [UInt8] = []

    init() { pthread_mutex_init(lock, nil) }

    deinit { lock.deallocate() }

    func add(_ value: UInt8) {
        pthread_mutex_lock(lock)
        seen.append(value)
        pthread_mutex_unlock(lock)
    }

    var values: [UInt8] {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return seen
    }
}

/// SplitMix64: the same bytes in every run.
struct Seeded: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}

/// A figure of /proc/self/status, in bytes.
private func figure(_ name: String) throws -> Int {
    guard let file = fopen("/proc/self/status", "r") else { throw TestFailure("no /proc/self/status") }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, 256, file) != nil {
        let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard text.hasPrefix(name + ":") else { continue }
        guard let number = Int(text.filter(\.isNumber)) else { break }
        return number * 1024
    }
    throw TestFailure("no \(name) in /proc/self/status")
}
