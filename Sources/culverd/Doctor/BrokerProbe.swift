import Agent
import DIMP
import Dispatch
import Format
import Operations
import Transport

/// Tries out one broker with connections of its own, each step within ten seconds and with little traffic.
///
///  1. reach     a clean connection: DNS, TCP, TLS, user, version of MQTT
///  2. read      our retained topics come back to it, and so does what it writes to our own `in`: an ACL that denies
///               shows in nothing else, for a SUBACK says granted all the same
///  3. leave     a second client asks the broker to keep a session with our `in`, and goes
///  4. publish   the first one writes a hundred small messages there
///  5. return    the second one comes back and counts them
///  6. clear     its session is removed
///
/// The messages are `{"probe": NONCE, …}`, which `Brokers` drops before anybody sees them, and the broker forgets them
/// after two minutes. Nothing is written to others.
@MainActor final class BrokerProbe {
    struct Subject {
        var setting: BrokerSetting
        var identities: [Identity]
        /// What the daemon's own link has to say; `nil` when it is connected.
        var trouble: String?
    }

    static let count = 100

    let subject: Subject
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

    var name: String { subject.setting.options.name }
    var options: BrokerOptions { subject.setting.options }
    var topics: Topics { subject.setting.topics }

    init(_ subject: Subject, nonce: String, done: @escaping @MainActor ([Check]) -> Void) {
        self.subject = subject
        self.nonce = nonce
        self.done = done
        front = ProbeConnection(subject.setting.options, suffix: "-probe", session: 0)
        // Should the removal fail, the broker forgets it soon.
        absent = ProbeConnection(subject.setting.options, suffix: "-doctor", session: 300)
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
        checks.append(BrokerAdvice.unreachable(subject, reason))
        checks += BrokerAdvice.encryption(subject, nil)
        finish()
    }

    private func reached(_ version: MQTTVersion) {
        checks += BrokerAdvice.reached(subject, version)
        checks += BrokerAdvice.encryption(subject, front.link.validity)
        guard !subject.identities.isEmpty else { return finish() }
        read()
    }

    // MARK: - 2 Read

    private var finding = Finding()

    /// What came of the second step.
    struct Finding {
        /// Why a topic may not be subscribed to, or why not be written.
        var denied: [String: String] = [:]
        /// Own inboxes from which the probe came back.
        var echoed: Set<String> = []
        /// Own topics whose retained message came, by topic.
        var retained: [String: [UInt8]] = [:]
        var lost: String?
    }

    var inboxes: [String] { subject.identities.map { topics.text(.inbox($0.id.address)) } }

    /// What ought to stand there. Presence is stated for the first identity alone.
    var cards: [String] {
        subject.identities.flatMap { topics.card($0.id.address) }
            + subject.identities.prefix(1).map { topics.text(.state($0.id.address)) }
    }

    private func read() {
        var waiting = Set(inboxes + cards)
        var writing: [Int32: String] = [:]
        within(10) { self.judge() }
        front.ear = { event in
            switch event {
            case .subscribed(let granted, let refused):
                waiting.subtract(granted)
                for refusal in refused {
                    waiting.remove(refusal.topic)
                    self.finding.denied[refusal.topic] = "it may not be subscribed to: \(refusal.reason)"
                }
                guard waiting.isEmpty else { return }
                self.within(4) { self.judge() }
                for topic in self.inboxes { self.echo(topic).map { writing[$0] = topic } }
            case .acknowledged(let token, .refused(let code, let reason)):
                writing[token].map { self.finding.denied[$0] = "it may not be written to: \(reason) (\(code))" }
            case .message(let topic, let payload, let isRetained):
                if isRetained, self.cards.contains(topic) { self.finding.retained[topic] = payload }
                if self.isProbe(payload) { self.finding.echoed.insert(topic) }
            case .disconnected(let reason, _): self.finding.lost = reason
            default: return
            }
            let isComplete =
                self.finding.echoed.count == self.inboxes.count && self.finding.retained.count == self.cards.count
            if isComplete || self.finding.lost != nil { self.judge() }
        }
        front.link.subscribe(inboxes + cards)
    }

    private func echo(_ topic: String) -> Int32? {
        do throws(TransportError) {
            return try front.link.publish(topic: topic, payload: probe(0), retain: false, expiry: 120)
        } catch {
            finding.denied[topic] = "it cannot be written to: \(error)"
            return nil
        }
    }

    private func judge() {
        let access = BrokerAdvice.access(subject, finding)
        checks.append(access)
        checks.append(BrokerAdvice.directory(subject, finding))
        // While our own link is away the probes would fill our queue.
        guard access.result == .ok, subject.trouble == nil, finding.lost == nil else { return finish() }
        front.link.unsubscribe(inboxes)
        leave()
    }

    private func probe(_ number: Int) -> [UInt8] { Array("{\"probe\":\"\(nonce)\",\"n\":\(number)}".utf8) }

    private func isProbe(_ payload: [UInt8]) -> Bool { payload.starts(with: Brokers.probe(nonce)) }

    // MARK: - 3 to 5, the queue of one who is away

    private func leave() {
        let inbox = inboxes[0]
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
                        topic: self.inboxes[0], payload: self.probe(sent + 1), retain: false, expiry: 120)
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
        checks.append(BrokerAdvice.queue(subject, count, of: sent))
        clear()
    }

    private func untried(_ reason: String) {
        checks.append(
            Check(
                "queue", .warn, "\(name): whether it keeps messages could not be tried: \(reason)",
                hint: "culver doctor    # again; in mosquitto.conf: max_connections -1"))
        clear()
    }

    // MARK: - 6 Clear

    /// Whatever the broker holds for the second client is forgotten.
    private func clear() {
        guard !isOver, !isClearing else { return }
        isClearing = true
        within(10) { self.finish() }
        absent.leave {
            let last = ProbeConnection(self.options, suffix: "-doctor", session: 0)
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
        DispatchQueue.main.asyncAfter(deadline: .now() + seconds) { MainActor.assumeIsolated { action() } }
    }
}
