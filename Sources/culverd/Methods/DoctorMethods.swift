import Agent
import Control
import Crypto
import Diagnostics
import Format
import Glibc
import Records
import Store
import System
import Transport

/// `doctor`: one run at a time.
@MainActor final class DoctorMethods {
    private let running: RunningConfiguration
    private let rights: CallerRights
    private let loop: Loop
    private let brokers: Brokers
    private let configured: ConfiguredBrokers
    private let bridges: BridgeLinks
    /// The doctor at work.
    private var current: DoctorRun?

    init(
        running: RunningConfiguration, rights: CallerRights, loop: Loop, brokers: Brokers,
        configured: ConfiguredBrokers, bridges: BridgeLinks
    ) {
        self.running = running
        self.rights = rights
        self.loop = loop
        self.brokers = brokers
        self.configured = configured
        self.bridges = bridges
    }

    private var configuration: Configuration { running.configuration }

    func disconnected(_ connection: ConnectionID) {
        if let current, current.call.connection == connection { current.abandon() }
    }

    /// The daemon ends.
    func stop() { current?.abandon() }

    func consult(_ request: CheckedCall, in turn: inout Turn) throws {
        let isAdmin = rights.role(of: request) == .admin
        let fixes = try request.params.flag("fix")
        guard isAdmin || !fixes else {
            throw RPCError(
                exit: .notPermitted, reason: "not-permitted", message: "to fix needs the role admin",
                hint: "call it as root, or give the role in [access] of culver.conf")
        }
        var checks = [Check("daemon", .ok, "culverd \(Release.version) runs with \(configuration.agent.state)")]
        checks +=
            BoardChecks(
                isClockSet: turn.now.isClockSet, twin: loop.messenger.olderBoard?.did,
                isForeign: configured.installation.isForeign, path: loop.directory.path
            ).checks
        let limits = configuration.limits
        checks += try LimitChecks(
            of: loop.store, outbox: LimitChecks.Limit(messages: limits.outboxMessages, bytes: limits.outboxSize),
            inbox: LimitChecks.Limit(messages: limits.inboxMessages, bytes: limits.inboxSize),
            parked: LimitChecks.Limit(messages: limits.parkedMessages, bytes: limits.parkedSize)
        ).checks()
        checks += try callChecks()
        checks += bridges.checks
        let call = request.call
        let audit = try loop.store.auditMarks(in: loop.directory.path)
        turn.after {
            self.begin(
                call, first: checks, audit: audit, isAdmin: isAdmin, fixes: fixes, at: self.loop.clock.now)
        }
    }

    /// Sections that run nothing, and why.
    private func callChecks() throws -> [Check] {
        var checks: [Check] = []
        if try loop.store.value(.callsOff) != nil || loop.book.areCallsOff {
            checks.append(Check("calls", .warn, "no calls are run: culver call off said so", hint: "culver call on"))
        }
        for section in configuration.calls where !section.exec.isEmpty {
            let owner = running.options.isUser ? geteuid() : nil
            guard let fault = Executable.fault(of: section.exec, owner: owner) else { continue }
            checks.append(
                Check(
                    "calls", .fail, "[call \(section.name)] runs nothing: \(fault)",
                    hint:
                        "sudo install -o root -m 755 PROGRAM \(section.exec), below directories that only root can write"
                ))
        }
        return checks
    }

    private func begin(_ call: Call, first: [Check], audit: AuditMarks, isAdmin: Bool, fixes: Bool, at now: Moment) {
        guard current == nil else {
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
        let run = DoctorRun(call, first: first, brokers: sections.count) { [weak self] in
            self?.current = nil
            self?.forgetProbe(nonce)
        }
        current = run
        brokers.probes.append(Brokers.probe(nonce))
        let state = StateDiagnosis(
            of: configuration.agent.state, mends: fixes, isInUse: true, time: now.isClockSet ? now.wall : nil,
            audit: audit)
        let files = ConfigurationFiles(
            open: [Configuration.file(running.options, running.environment)],
            secret: (configuration.brokers + configuration.bridges.map(\.local)).flatMap(\.secretFiles))
        run.look { state.checks() + files.checks(mends: fixes) }
        for (index, section) in sections.enumerated() { probe(section, nonce: nonce, for: run, at: index) }
    }

    private func probe(_ section: BrokerSettings, nonce: String, for run: DoctorRun, at index: Int) {
        do {
            var setting = try configured.setting(of: section)
            if let known = brokers[section.name]?.knowledgeForOthers { setting.options.knowledge = known }
            _ = try setting.options.fileContents()
            let target = ProbeTarget(
                setting: setting, identities: Array(loop.book.facebook.identities.prefix(16)),
                isOld: brokers[section.name]?.condition.version == MQTTVersion.v311.number,
                greeting: brokers[section.name]?.greeting, expiry: configuration.delivery.expiry,
                trouble: trouble(of: section.name))
            run.probe(target, nonce: nonce, at: index)
        } catch {
            let fault = error as? BrokerFileFault
            run.take(
                [
                    Check(
                        "broker", .fail, "\(section.name) cannot be used: \(error)",
                        hint: fault.map { ConfigurationFiles.cure(of: $0.path, named: $0.key) })
                ], of: index)
        }
    }

    /// Why a broker is not connected; `nil` when it is.
    private func trouble(of name: String) -> String? {
        guard let broker = brokers[name] else { return "not dialled yet" }
        return broker.trouble
    }

    /// Later: a broker may still hold some probes for this daemon.
    private func forgetProbe(_ nonce: String) {
        MainQueue.after(120) { [weak self] in self?.brokers.probes.removeAll { $0 == Brokers.probe(nonce) } }
    }
}

extension BrokerSettings {
    /// Files that nobody else may read. systemd's credentials are for this user alone by themselves.
    fileprivate var secretFiles: [String] { [passwordFile, keyFile].compactMap { $0 }.filter { $0.hasPrefix("/") } }
}
