import Control
import DIMP
import Format
import Glibc
import Operations
import Records
import Store
import System

/// How the daemon is doing, as `status` shows it (culver-protocol(7)).
@MainActor struct StatusReport {
    let loop: Loop
    let running: RunningConfiguration
    let brokers: Brokers
    let configured: ConfiguredBrokers
    let consumers: Consumers
    let backups: Backups
    let bridges: BridgeLinks
    /// In seconds since the boot of the board.
    let started: Double

    private var store: MessageStore { loop.store }
    private var facebook: Facebook { loop.book.facebook }

    func json() throws -> JSON {
        let states = try store.outboxStates()
        func count(_ state: DeliveryState) -> JSON { .integer(Int64(states[state] ?? 0)) }
        let (inbox, outbox) = (try store.inboxSize(), try store.outboxSize())
        let pending = try store.pending()
        let identities = facebook.identities.map { identity -> JSON in
            ["did": .string(identity.id.bare.text), "name": .string(identity.id.name ?? "")]
        }
        var status: JSONObject = [
            "version": .string(Release.version), "state": .string(loop.directory.path),
            "uptime": .number((KernelClock.boottime.now - started).rounded()),
            "strangers": .string(running.configuration.agent.strangers.rawValue),
            "identities": .array(identities), "brokers": .array(configured.names.map(broker)),
            "outbox": [
                "waiting": count(.waiting), "queued": count(.queued), "published": count(.published),
                "bytes": .integer(Int64(outbox.bytes)), "full": .bool(isOutboxFull(outbox)),
            ],
            "inbox": [
                "count": .integer(Int64(inbox.count)),
                "unacknowledged": .integer(Int64(pending.map(\.count).max() ?? inbox.count)),
                "bytes": .integer(Int64(inbox.bytes)), "full": .bool(store.isInboxFull),
            ],
            "clock": ["set": .bool(loop.clock.now.isClockSet), "time": .number(loop.clock.now.wall)],
            "disk": disk,
            "contacts": .integer(Int64(facebook.contactCount)),
            "requests": .integer(Int64(try store.parkedSenders(isVerified: true, limit: 1000).count)),
        ]
        if !bridges.names.isEmpty { status["bridges"] = .array(bridges.rows) }
        if let behind = pending.max(by: { $0.count < $1.count }), behind.count > 0 {
            status["behind"] = [
                "consumer": .string(behind.consumer.name), "pending": .integer(Int64(behind.count)),
                "connected": .bool(consumers.isConnected(behind.consumer.name)),
            ]
        }
        if let problem = try problem() { status["problem"] = .object(Rows.event(problem)) }
        let peers = try store.peers(limit: 100)
        let operations = loop.names
        status["peers"] = .array(peers.rows.map { Rows.peer($0, names: operations.name) })
        if peers.rest > 0 { status["further_peers"] = .integer(Int64(peers.rest)) }
        if let other = loop.messenger.olderBoard {
            status["standing_back"] = ["did": .string(other.did.bare.text), "since": .number(other.at)]
        }
        if let retired = backups.retired {
            status["retired"] = retired.json
        } else if backups.isRetiring {
            status["retiring"] = true
        }
        return .object(status)
    }

    /// The newest warning or error that is not over.
    private func problem() throws -> EventRecord? {
        try store.problems(limit: 100).first { !isOver($0) }
    }

    /// Whether what an event tells of is well again; the log has it all the same.
    private func isOver(_ event: EventRecord) -> Bool {
        switch (event.kind, event.reason) {
        case (.broker, "away"), (.broker, "lost"):
            guard let name = event.broker, configured.names.contains(name) else { return true }
            return brokers[name]?.isConnected == true
        case (.bridge, "away"), (.bridge, "lost"):
            guard let name = event.broker, bridges.names.contains(name) else { return true }
            return bridges[name]?.isConnected == true
        case (.config, "broker-configuration"): return event.broker.map(configured.isUsable) ?? false
        case (.config, "bad-configuration"): return !running.isOutdated
        case (.clock, "clock-unset"): return loop.clock.now.isClockSet
        case (.disk, "failed"), (.disk, "recovered"): return loop.diskFault == nil
        default: return false
        }
    }

    private func isOutboxFull(_ size: (count: Int64, bytes: Int64)) -> Bool {
        let policy = loop.messenger.policy
        return size.count >= policy.outboxCount || size.bytes >= policy.outboxBytes
    }

    private var disk: JSON {
        var disk: JSONObject = [:]
        if let free = try? DiskSpace(at: loop.directory.path).free { disk["free"] = .integer(free) }
        if let fault = loop.diskFault { disk["fault"] = .string(fault) }
        return .object(disk)
    }

    private func broker(_ name: String) -> JSON {
        let condition = brokers[name]?.condition ?? Broker.Condition()
        var object: JSONObject = [
            "name": .string(name), "url": .string(configured.url(of: name)),
            "state": .string(condition.state.rawValue),
        ]
        if let version = condition.version { object["version"] = .string(version) }
        if let reason = condition.reason { object["reason"] = .string(reason) }
        return .object(object)
    }
}
