import Agent
import Control
import Crypto
import DIMP
import Dispatch
import Format
import Glibc
import Operations
import Store
import Transport

extension Method {
    /// A reader is told what can be known by reading; the probes write to the brokers, and `fix` changes files.
    static let doctor: [Method] = [
        .later("doctor", .reader, ["fix"]) { daemon, request, turn in try daemon.consult(request, &turn) }
    ]
}

extension Daemon {
    fileprivate func consult(_ request: Request, _ turn: inout Turn) throws {
        let isAdmin = access.role(of: request.call.peer) == .admin
        let fixes = try request.params.flag("fix")
        guard isAdmin || !fixes else {
            throw RPCError(
                exit: .notPermitted, reason: "not-permitted", message: "to fix needs the role admin",
                hint: "call it as root, or give the role in [access] of culver.conf")
        }
        var checks = [Check("daemon", .ok, "culverd \(Version.text) runs with \(configuration.agent.state)")]
        checks.append(clock(turn.now))
        checks += clones()
        checks += try limits()
        let call = request.call
        turn.after { self.begin(call, checks, isAdmin: isAdmin, fixes: fixes, self.loop.clock.now) }
    }

    private func begin(_ call: Call, _ first: [Check], isAdmin: Bool, fixes: Bool, _ now: Moment) {
        guard consultation == nil else {
            return call.fail(
                RPCError(
                    exit: .notNow, reason: "busy", message: "a doctor is at work already",
                    hint: "try again in a minute"))
        }
        let nonce = (try? Random.bytes(8)).map(Hex.encode) ?? ""
        let sections = isAdmin && !brokers.isStandingBack && !nonce.isEmpty ? configuration.brokers : []
        var first = first
        if !isAdmin {
            first.append(Check("broker", .ok, "not tried: the probes write to the brokers, which needs the role admin"))
        }
        let consultation = DoctorRun(call, first: first, brokers: sections.count) { [weak self] in
            self?.consultation = nil
            self?.forgetProbe(nonce)
        }
        self.consultation = consultation
        brokers.probes.append(Brokers.probe(nonce))
        let checkup = StateDiagnosis(
            of: configuration.agent.state, mends: fixes, isInUse: true, time: now.isClockSet ? now.wall : nil)
        let papers = TLSFiles(configuration, options, environment)
        consultation.look { checkup.checks() + papers.checks(mends: fixes) }
        for (index, section) in sections.enumerated() { probe(section, nonce, consultation, index) }
    }

    private func probe(_ section: BrokerSettings, _ nonce: String, _ consultation: DoctorRun, _ index: Int) {
        do {
            let subject = BrokerProbe.Subject(
                setting: try setting(section), identities: Array(facebook.identities.prefix(16)),
                trouble: trouble(of: section.name))
            consultation.probe(subject, nonce, at: index)
        } catch {
            let words = "\(section.name) cannot be used: \(error)"
            consultation.take(
                [Check("broker", .fail, words, hint: section.passwordFile.map(cureOfPassword))], of: index)
        }
    }

    /// Why a broker is not connected; `nil` when it is.
    private func trouble(of name: String) -> String? {
        guard let broker = brokers[name] else { return "not dialled yet" }
        return broker.trouble
    }

    /// Of a password that we could not read.
    private func cureOfPassword(_ file: String) -> String {
        guard file.hasPrefix("/") else { return "LoadCredential=\(file):PATH in the unit, see culverd(8)" }
        guard Glibc.access(file, F_OK) == 0 else { return "write the password to \(file), in one line" }
        return "chown root:culver \(file) && chmod 640 \(file)"
    }

    /// A broker may still hold some of them for us.
    private func forgetProbe(_ nonce: String) {
        DispatchQueue.main.asyncAfter(deadline: .now() + 120) { [weak self] in
            MainActor.assumeIsolated { self?.brokers.probes.removeAll { $0 == Brokers.probe(nonce) } }
        }
    }

    private func clock(_ now: Moment) -> Check {
        now.isClockSet
            ? Check("clock", .ok, "the clock is set")
            : Check(
                "clock", .fail, "the clock is before the day this culver was made: messages are not dated",
                hint: "timedatectl set-ntp true")
    }

    private func clones() -> [Check] {
        var checks: [Check] = []
        if let twin = loop.messenger.twin {
            checks.append(
                Check(
                    "clone", .fail, "another board has the keys of \(twin.did.bare): this one sends and takes nothing",
                    hint: "end culverd on the other board, then here: systemctl restart culver"))
        }
        if installation.isForeign {
            checks.append(
                Check(
                    "clone", .warn, "the state directory was made on another board: the two must not run at once",
                    hint: "once the other one is gone for good: systemctl stop culver culver.socket; rm "
                        + "\(loop.directory.path)/install.json; systemctl start culver.socket culver"))
        }
        return checks
    }

    // MARK: - Limits

    private func limits() throws -> [Check] {
        let limits = configuration.limits
        let (out, inbox) = (try store.outboxSize(), try store.inboxSize())
        let (verified, other) = (try store.parkedSize(isVerified: true), try store.parkedSize(isVerified: false))
        let requests = try store.parkedSenders(isVerified: true, limit: 1000).count
        return [
            Fill("outbox", out.count, limits.outboxMessages, out.bytes, limits.outboxSize).check(
                "outbox", then: "nothing can be sent",
                hint: "culver message list --state queued; [limits] outbox_messages and outbox_size"),
            try inboxCheck(inbox, limits),
            Fill("requests", verified.rows, limits.parkedMessages, verified.bytes, limits.parkedSize).check(
                "requests", words: "\(requests) strangers wait for a word", then: "the largest lose messages",
                hint: "culver contact requests"),
            Fill("lookups", other.rows, limits.parkedMessages, other.bytes, limits.parkedSize).check(
                "requests", words: "\(other.rows) messages of unknown senders wait for their metas",
                then: "the largest lose messages", hint: "culver log --kind request"),
        ]
    }

    /// What everybody has read makes room by itself.
    private func inboxCheck(_ size: (count: Int, bytes: Int), _ limits: LimitSettings) throws -> Check {
        let fill = Fill("inbox", size.count, limits.inboxMessages, size.bytes, limits.inboxSize)
        let behind = fill.share > 0.8 ? try store.laggard() : nil
        let consumers = fill.share > 0.8 ? try store.consumers() : []
        guard behind != nil || consumers.isEmpty else {
            return Check("inbox", .ok, "\(fill.words), all of it read")
        }
        let reader = behind.map { "consumer \($0) is behind" } ?? "no consumer reads it"
        return fill.check(
            "inbox", words: fill.share > 0.8 ? "\(fill.words): \(reader)" : nil, then: "no new message is accepted",
            hint: behind.map { "culver inbox --consumer \($0) --ack; or culver consumer forget \($0)" }
                ?? "culver inbox --consumer NAME --ack")
    }
}

/// How full something with two bounds is.
struct Fill {
    let share: Double
    let words: String

    init(_ what: String, _ count: Int, _ most: Int, _ bytes: Int, _ room: Int) {
        share = max(Double(count) / Double(max(1, most)), Double(bytes) / Double(max(1, room)))
        words = "\(what): \(count) of \(most) messages, \(bytes >> 10) of \(room >> 10) KiB"
    }

    /// `then`: what is so when it is full.
    func check(_ name: String, words: String? = nil, then: String, hint: String) -> Check {
        let text = words ?? self.words
        if share >= 1 { return Check(name, .fail, "\(text); it is full: \(then)", hint: hint) }
        return share > 0.8 ? Check(name, .warn, "\(text); when it is full \(then)", hint: hint) : Check(name, .ok, text)
    }
}
