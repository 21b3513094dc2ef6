import Agent
import Control
import Glibc

extension Daemon {
    /// SIGHUP: a bad file changes nothing; of a good one everything counts at once but what needs a new start.
    func reload() {
        let new: Configuration
        do throws(ConfigurationErrors) {
            new = try Configuration.load(options, environment: environment)
        } catch {
            let text = "the running configuration is kept: \(error)"
            log(.error, text)
            return loop.add(.chore { turn in try turn.note(.config, .error, text, reason: "bad-configuration") })
        }
        let old = configuration
        configuration = new
        configuration.agent.state = old.agent.state
        configuration.agent.socket = old.agent.socket
        access = Access(new.access)
        loop.log = Log(level: Log.Level(new.agent.log))
        let policy = new.policy
        let needsStart =
            new.brokers != old.brokers || new.agent.state != old.agent.state
            || new.agent.socket != old.agent.socket || new.limits != old.limits
        loop.add(
            .chore { turn in
                turn.messenger.policy = policy
                let text =
                    needsStart
                    ? "read the configuration; brokers, paths and limits wait for a restart" : "read the configuration"
                try turn.note(.config, .info, text, reason: "reloaded")
            })
        declareContacts()
        keepTextfile()
        log(.info, "read the configuration")
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
    }
}
