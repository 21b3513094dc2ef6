import Agent
import Control
import Format
import Glibc

extension Daemon {
    /// SIGHUP: a bad file changes nothing; of a good one everything counts at once but what needs a new start. Brokers are
    /// dialled anew where they changed, and where they are away.
    func reload() {
        supervisor.tell("RELOADING=1", "MONOTONIC_USEC=\(Supervisor.monotonic)")
        do throws(ConfigurationErrors) {
            take(try Configuration.load(options, environment: environment))
            isConfigurationBad = false
        } catch {
            isConfigurationBad = true
            let text = "the running configuration is kept: \(error)"
            log(.error, text)
            loop.add(.chore { turn in try turn.note(.config, .error, text, reason: "bad-configuration") })
        }
        loop.comeRound { [weak self] in self?.supervisor.tell("READY=1") }
    }

    private func take(_ new: Configuration) {
        let old = configuration
        configuration = new
        configuration.agent.state = old.agent.state
        configuration.agent.socket = old.agent.socket
        configuration.limits = old.limits
        access = Access(new.access)
        loop.log = Log(level: Log.Level(new.agent.log))
        let policy = configuration.policy
        let keep = configuration.storeLimits.keep
        let needsStart =
            new.agent.state != old.agent.state || new.limits != old.limits
            || (new.agent.socket != old.agent.socket && supervisor.listeners.isEmpty)
        let text =
            needsStart ? "read the configuration; paths and limits wait for a restart" : "read the configuration"
        loop.add(
            .chore { [store] turn in
                turn.messenger.policy = policy
                store.limits.keep = keep
                try turn.note(.config, .info, text, reason: "reloaded")
            })
        declareContacts()
        keepTextfile(insteadOf: old.agent.metricsFile)
        warnOfStrangeNames()
        changeBrokers()
        log(.info, text)
    }

    /// They may come to be while we run, so it is no error.
    func warnOfStrangeNames() {
        for name in access.unknown { log(.warning, "[access] \(name): this machine has no such user or group") }
    }
}

extension Log.Level {
    init(_ level: AgentSettings.LogLevel) {
        switch level {
        case .error: self = .error
        case .warning: self = .warning
        case .info: self = .info
        case .debug: self = .debug
        }
    }
}

extension ControlLimits {
    init(_ limits: LimitSettings) {
        self.init()
        line = limits.controlLine
        clients = limits.clients
        clientsPerUser = limits.clientsPerUser
        json = ControlLimits.json(aroundMessage: JSONLimits(depth: limits.jsonDepth, values: limits.jsonValues))
    }
}
