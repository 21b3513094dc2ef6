import Agent
import Records
import Store

/// SIGHUP: a bad file changes nothing; of a good one everything counts at once but what needs a new start. Brokers are
/// dialled anew where they changed, and where they are away.
@MainActor struct Reloading {
    let running: RunningConfiguration
    let loop: Loop
    let supervisor: Supervisor
    let declared: DeclaredContacts
    let metricsFile: MetricsFile
    let presence: BrokerPresence
    let bridges: BridgeLinks

    func reload() {
        supervisor.tell("RELOADING=1", "MONOTONIC_USEC=\(Supervisor.monotonic)")
        do throws(ConfigurationErrors) {
            take(try Configuration.load(running.options, environment: running.environment))
        } catch {
            running.stay()
            let text = "the running configuration is kept: \(error)"
            loop.log(.error, text)
            loop.add(.chore { turn in try turn.note(.config, level: .error, text: text, reason: "bad-configuration") })
        }
        loop.comeRound { [supervisor] in supervisor.tell("READY=1") }
    }

    private func take(_ new: Configuration) {
        let old = running.configuration
        running.take(new)
        loop.log = Log(level: new.agent.log)
        let policy = running.configuration.policy
        let keep = running.configuration.storeLimits.keep
        let needsStart =
            new.agent.state != old.agent.state || new.limits != old.limits
            || (new.agent.socket != old.agent.socket && supervisor.listeners.isEmpty)
        let text =
            needsStart ? "read the configuration; paths and limits wait for a restart" : "read the configuration"
        loop.add(
            .chore { [store = loop.store] turn in
                turn.messenger.policy = policy
                store.limits.keep = keep
                try turn.note(.config, level: .info, text: text, reason: "reloaded")
            })
        declared.declare()
        metricsFile.keep(insteadOf: old.agent.metricsFile)
        running.access.warnOfUnknown(loop.log)
        for words in new.unserved { loop.log(.warning, words) }
        presence.change()
        bridges.change()
        loop.log(.info, text)
    }
}
