import DIMP
import Format
import Glibc
import Records
import Store

extension Method {
    static let general: [Method] = [
        .plain("hello", .anyone) { _, _, _ in
            [
                "version": .string(Version.text),
                "features": ["identity", "contact", "message", "inbox", "event", "consumer", "ref", "backup"],
            ]
        },
        .plain("rpc.discover", .anyone) { _, _, _ in description },
        .plain("status", .reader) { daemon, _, _ in try daemon.status() },
        .plain("metrics", .reader) { daemon, _, _ in ["text": .string(try daemon.metrics())] },
    ]

    /// OpenRPC: every method with the names of its parameters.
    private static var description: JSON {
        let methods = all.map { method -> JSON in
            let params = method.parameters.map { name -> JSON in ["name": .string(name), "schema": true] }
            return [
                "name": .string(method.name), "paramStructure": "by-name", "params": .array(params),
                "result": ["name": "result", "schema": true], "x-role": .string(method.role.rawValue),
            ]
        }
        return [
            "openrpc": "1.2.6", "info": ["title": "culver", "version": .string(Version.text)],
            "methods": .array(methods),
        ]
    }
}

extension Daemon {
    func status() throws -> JSON {
        let states = try store.outboxStates()
        func count(_ state: DeliveryState) -> JSON { .integer(Int64(states[state] ?? 0)) }
        let (inbox, outbox) = (try store.inboxSize(), try store.outboxSize())
        let pending = try store.pending()
        let identities = facebook.identities.map { identity -> JSON in
            ["did": .string(identity.id.bare.text), "name": .string(identity.id.name ?? "")]
        }
        var status: JSONObject = [
            "version": .string(Version.text), "state": .string(configuration.agent.state),
            "uptime": .number((Clock.read(CLOCK_BOOTTIME) - started).rounded()),
            "strangers": .string(configuration.agent.strangers.rawValue),
            "identities": .array(identities), "brokers": .array(brokerNames.map(broker)),
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
            "contacts": .integer(Int64(facebook.contacts.count)),
            "requests": .integer(Int64(try store.parkedSenders(isVerified: true, limit: 1000).count)),
        ]
        if let behind = pending.max(by: { $0.count < $1.count }), behind.count > 0 {
            status["behind"] = [
                "consumer": .string(behind.consumer.name), "pending": .integer(Int64(behind.count)),
                "connected": .bool(consumers.isConnected(behind.consumer.name)),
            ]
        }
        if let problem = try store.lastProblem() { status["problem"] = .object(Rows.event(problem)) }
        let peers = try store.peers(limit: 100)
        status["peers"] = .array(peers.rows.map { Rows.peer($0, name: ID($0.did).flatMap { operations.name(of: $0) }) })
        if peers.rest > 0 { status["further_peers"] = .integer(Int64(peers.rest)) }
        if let twin = loop.messenger.twin {
            status["standing_back"] = ["did": .string(twin.did.bare.text), "since": .number(twin.at)]
        }
        if let retired = backups.retired {
            status["retired"] = retired.json
        } else if backups.isRetiring {
            status["retiring"] = true
        }
        return .object(status)
    }

    private func isOutboxFull(_ size: (count: Int, bytes: Int)) -> Bool {
        let policy = loop.messenger.policy
        return size.count >= policy.outboxCount || size.bytes >= policy.outboxBytes
    }

    private var disk: JSON {
        var disk: JSONObject = [:]
        if let free = Host.freeBytes(at: configuration.agent.state) { disk["free"] = .integer(free) }
        if let fault = loop.diskFault { disk["fault"] = .string(fault) }
        return .object(disk)
    }

    private func url(_ broker: String) -> String {
        brokers[broker]?.setting.url ?? configuration.brokers.first { $0.name == broker }?.url ?? ""
    }

    /// Those that are configured, as long as none was dialled.
    var brokerNames: [String] {
        brokers.names.isEmpty ? configuration.brokers.map(\.name).sorted() : brokers.names
    }

    private func broker(_ name: String) -> JSON {
        let condition = brokers[name]?.condition ?? Broker.Condition()
        var object: JSONObject = [
            "name": .string(name), "url": .string(url(name)),
            "state": .string(condition.state.rawValue),
        ]
        if let version = condition.version { object["version"] = .string(version) }
        if let reason = condition.reason { object["reason"] = .string(reason) }
        return .object(object)
    }
}
