import Agent
import DIMP
import Diagnostics
import Format
import System
import Transport

/// Tries out one broker with connections of its own, each step within ten seconds and with little traffic.
///
///  1. reach     a clean connection: DNS, TCP, TLS, user, version of MQTT
///  2. read      our retained topics come back to it, and so does what it writes to our own `in` and `ack`: an ACL that
///               denies shows in nothing else, for a SUBACK says granted all the same
///  3. leave     a second client asks the broker to keep a session with our `in`, and goes
///  4. publish   the first one writes a hundred small messages there
///  5. return    the second one comes back and counts them
///  6. clear     its session is removed
///
/// The messages are `{"probe": NONCE, …}`, which `Brokers` drops before anybody sees them, and the broker forgets them
/// after two minutes. Nothing is written to others.
@MainActor final class BrokerProbe {
    static let count = 100

    let target: ProbeTarget
    private let advice: BrokerAdvice
    let nonce: String
    private(set) var checks: [Check] = []
    private let done: @MainActor ([Check]) -> Void
    private let front: ProbeConnection
    private let absent: ProbeConnection
    /// Goes up with every step, so that the alarm of an earlier one is known as such.
    private var step = 0
    private var quiet = 0
    private var isOver = false
    private var hasSession = false
    private var isClearing = false

    init(_ target: ProbeTarget, nonce: String, done: @escaping @MainActor ([Check]) -> Void) {
        self.target = target
        advice = target.advice
        self.nonce = nonce
        self.done = done
        front = ProbeConnection(target.setting.options, suffix: "-probe", session: 0)
        if target.isOld { front.answerWithin = 3 }
        // Should the removal fail, the broker forgets it soon.
        absent = ProbeConnection(target.setting.options, suffix: "-doctor", session: 300)
    }

    /// `done` is called once, within a minute and a half.
    func begin() {
        within(10) { self.unreachable("no answer within 10 s") }
        front.connect { version, _ in
            self.reached(version)
        } otherwise: {
            self.unreachable($0)
        }
    }

    /// Nobody waits for the result any more.
    func abandon() {
        guard !isOver, !isClearing else { return }
        checks = []
        hasSession ? clear() : finish()
    }

    // MARK: - 1 Reach

    private func unreachable(_ reason: String) {
        checks.append(advice.unreachable(reason))
        checks += advice.encryption(days: nil)
        finish()
    }

    private func reached(_ version: MQTTVersion) {
        if version == .v311 { absent.answerWithin = 3 }
        checks += advice.reached(isNewest: version == .v5)
        // By the daemon's own link: a probe's session is short because it asks for no more.
        if version == .v5, let greeting = target.greeting {
            checks += advice.grants(
                session: greeting.sessionExpiry.map(Int64.init) ?? Int64(target.setting.options.sessionExpiry),
                inFlight: greeting.receiveMaximum.map(Int64.init), packet: greeting.packetLimit.map(Int64.init),
                keepsRetained: greeting.keepsRetained, expiry: Int64(target.expiry),
                message: Int64(target.setting.options.maximumPacket))
        }
        checks += advice.encryption(days: front.link.validity.map { ($0.broker, $0.own) })
        guard !target.identities.isEmpty else { return finish() }
        read()
    }

    // MARK: - 2 Read

    private var finding = ProbeFinding()

    private func read() {
        var waiting = Set(target.writable + target.cards)
        var writing: [Int32: String] = [:]
        within(10) { self.conclude() }
        front.ear = { event in
            switch event {
            case .subscribed(let granted, let refused):
                waiting.subtract(granted)
                for refusal in refused {
                    waiting.remove(refusal.topic)
                    self.finding.denied[refusal.topic] = "it may not be subscribed to: \(refusal.reason)"
                }
                guard waiting.isEmpty else { return }
                self.within(4) { self.conclude() }
                for topic in self.target.writable { self.echo(topic).map { writing[$0] = topic } }
            case .acknowledged(let token, .refused(let code, let reason)):
                writing[token].map { self.finding.denied[$0] = "it may not be written to: \(reason) (\(code))" }
            case .message(let topic, let payload, let isRetained):
                if self.isProbe(payload) {
                    self.finding.echoed.insert(topic)
                } else if isRetained {
                    // This connection had no session: nothing that was queued for it comes with the flag.
                    self.finding.retained[topic] = payload
                }
            case .disconnected(let reason, _): self.finding.lost = reason
            default: return
            }
            let isComplete =
                self.finding.echoed.count == self.target.writable.count
                && self.target.cards.allSatisfy { self.finding.retained[$0] != nil }
            if isComplete || self.finding.lost != nil { self.conclude() }
        }
        front.link.subscribe(target.writable + target.cards)
    }

    private func echo(_ topic: String) -> Int32? {
        do throws(TransportError) {
            return try front.link.publish(topic: topic, payload: probe(0), retain: false, expiry: 120)
        } catch {
            finding.denied[topic] = "it cannot be written to: \(error)"
            return nil
        }
    }

    private func conclude() {
        let access = advice.access(denied: finding.denied(of: target))
        checks.append(access)
        if access.result == .ok {
            checks += advice.acknowledgements(denied: finding.denied(among: target.acknowledgements))
        }
        checks += advice.retainedMessages(on: target.writable.filter { finding.retained[$0] != nil })
        checks.append(
            advice.directory(
                missing: finding.missing(of: target), all: target.ownTopics,
                isKept: target.greeting?.keepsRetained ?? true))
        // While our own link is away the probes would fill our queue.
        guard access.result == .ok, target.trouble == nil, finding.lost == nil else { return finish() }
        front.link.unsubscribe(target.writable)
        leave()
    }

    private func probe(_ number: Int) -> [UInt8] { Array("{\"probe\":\"\(nonce)\",\"n\":\(number)}".utf8) }

    private func isProbe(_ payload: [UInt8]) -> Bool { payload.starts(with: Brokers.probe(nonce)) }

    // MARK: - 3 to 5, the queue of one who is away

    private func leave() {
        let inbox = target.inboxes[0]
        within(10) { self.untried("no second connection within 10 s") }
        absent.connect { _, _ in
            self.absent.ear = { event in
                switch event {
                case .subscribed(let granted, _):
                    guard !granted.isEmpty else { return self.untried("the second connection may not subscribe") }
                    self.absent.leave { self.publish() }
                case .disconnected(let reason, _): self.untried(reason)
                default: break
                }
            }
            self.hasSession = true
            self.absent.link.subscribe([inbox])
        } otherwise: {
            self.untried($0)
        }
    }

    private func publish() {
        var (sent, answered) = (0, 0)
        within(10) { answered > 0 ? self.comeBack(answered) : self.untried("the broker acknowledges nothing") }
        let send = {
            while sent < Self.count {
                do throws(TransportError) {
                    _ = try self.front.link.publish(
                        topic: self.target.inboxes[0], payload: self.probe(sent + 1), retain: false, expiry: 120)
                    sent += 1
                } catch .notNow {
                    return
                } catch {
                    return self.untried("\(error)")
                }
            }
        }
        front.ear = { event in
            switch event {
            case .acknowledged:
                answered += 1
                answered == Self.count ? self.comeBack(answered) : send()
            case .roomAgain: send()
            case .disconnected(let reason, _): self.untried(reason)
            default: break
            }
        }
        send()
    }

    private func comeBack(_ sent: Int) {
        var found: Set<[UInt8]> = []
        front.ear = { _ in }
        within(10) { self.counted(found.count, of: sent) }
        absent.connect { _, _ in
            self.absent.ear = { event in
                if case .disconnected(let reason, _) = event { return self.untried(reason) }
                guard case .message(_, let payload, _) = event, self.isProbe(payload) else { return }
                found.insert(payload)
                guard found.count < sent else { return self.counted(sent, of: sent) }
                self.whenQuiet { self.counted(found.count, of: sent) }
            }
            self.whenQuiet { self.counted(found.count, of: sent) }
        } otherwise: {
            self.untried($0)
        }
    }

    private func counted(_ count: Int, of sent: Int) {
        checks.append(advice.queue(count, of: sent))
        clear()
    }

    private func untried(_ reason: String) {
        checks.append(advice.queueUntried(reason))
        clear()
    }

    // MARK: - 6 Clear

    /// Whatever the broker holds for the second client is forgotten.
    private func clear() {
        guard !isOver, !isClearing else { return }
        isClearing = true
        within(10) { self.finish() }
        absent.leave {
            let last = ProbeConnection(self.target.setting.options, suffix: "-doctor", session: 0)
            last.answerWithin = self.absent.answerWithin
            last.connect { _, _ in
                last.leave { self.finish() }
            } otherwise: { _ in
                last.leave { self.finish() }
            }
        }
    }

    private func finish() {
        guard !isOver else { return }
        isOver = true
        step += 1
        quiet += 1
        front.leave()
        absent.leave()
        done(checks)
    }

    /// Calls back unless another step has begun by then.
    private func within(_ seconds: Double, _ late: @escaping @MainActor () -> Void) {
        step += 1
        quiet += 1
        let mine = step
        after(seconds) { if self.step == mine { late() } }
    }

    /// Calls back unless asked again, or another step has begun, within a second and a half.
    private func whenQuiet(_ action: @escaping @MainActor () -> Void) {
        quiet += 1
        let mine = quiet
        after(1.5) { if self.quiet == mine { action() } }
    }

    private func after(_ seconds: Double, _ action: @escaping @MainActor () -> Void) {
        MainQueue.after(seconds, action)
    }
}
