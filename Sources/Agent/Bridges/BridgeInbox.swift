import DIMP
import Records

/// What peers of bridges sent for local brokers: written down, then receipted, then published, and gone when the local
/// broker has acknowledged it. While that broker is away it waits, under `latest` the newest of each topic.
struct BridgeInbox {
    /// Local brokers that are connected.
    private var links: [String: LocalLink] = [:]
    /// When it was told last that something had no room, in seconds lived.
    private var complained: [String: Double] = [:]

    private struct LocalLink {
        /// Publications that the broker takes at once.
        var room: Int
        /// The versions that it has not acknowledged, by place.
        var underway: [Int64: Int64] = [:]
    }

    // MARK: - A peer's message

    mutating func take(_ content: BridgeContent, in context: inout Context) throws(LedgerError) {
        let message: LocalMessage
        let book = context.book
        do throws(Rejection) {
            message = try content.message { book.isOurs($0) }
        } catch {
            return try context.reject(error, from: content.sender)
        }
        let policy = context.policy
        let rules = policy.bridges.filter {
            $0.isFrom(content.sender, in: book) && $0.letsIn(message.topic) && !policy.isOwn($0.prefix + message.topic)
        }
        guard !rules.isEmpty else {
            return try context.reject(Rejection(.trust, "no bridge lets the topic in"), from: content.sender)
        }
        for rule in rules {
            try save(message, for: rule, in: &context)
            try publish(on: rule.name, in: &context)
        }
    }

    private mutating func save(
        _ message: LocalMessage, for rule: BridgeRule, in context: inout Context
    ) throws(LedgerError) {
        var row = BridgedMessage(
            bridge: rule.name, direction: .inward, topic: message.topic, payload: message.payload, qos: message.qos,
            isRetained: message.isRetained)
        let old =
            rule.keep == .latest
            ? try context.ledger.bridged(bridge: rule.name, direction: .inward, topic: message.topic) : nil
        guard BridgeOutbox.hasRoom(for: row, insteadOf: old, in: context.ledger) else {
            context.counts.bridges[rule.name, default: BridgeCounts()].withoutRoom += 1
            return try complain(of: rule.name, in: context)
        }
        if let old {
            (row.place, row.version) = (old.place, old.version + 1)
            if links[rule.name]?.underway[old.place] != old.version {
                context.counts.bridges[rule.name, default: BridgeCounts()].replaced += 1
            }
        }
        try context.ledger.apply(.bridged(row))
        context.counts.bridges[rule.name, default: BridgeCounts()].received += 1
    }

    private mutating func complain(of bridge: String, in context: Context) throws(LedgerError) {
        guard context.now.lived >= (complained[bridge] ?? -.infinity) + Tuning.refusalPause else { return }
        complained[bridge] = context.now.lived
        try context.note(
            .bridge, level: .warning,
            text: "bridge \(bridge): too much waits for the local broker, the rest is dropped",
            reason: "bridge-full")
    }

    // MARK: - The local broker

    mutating func connected(_ bridge: String, room: Int, in context: inout Context) throws(LedgerError) {
        links[bridge] = LocalLink(room: max(1, min(room, Tuning.bridgeWindow)))
        try publish(on: bridge, in: &context)
    }

    mutating func disconnected(_ bridge: String) { links[bridge] = nil }

    mutating func answered(
        _ bridge: String, place: Int64, version: Int64, as outcome: Outcome, in context: inout Context
    ) throws(LedgerError) {
        guard links[bridge]?.underway[place] == version else { return }
        switch outcome {
        // The connection is ending, and the next one begins anew.
        case .notNow: return
        case .taken, .nobody: context.counts.bridges[bridge, default: BridgeCounts()].published += 1
        case .refused(let reason):
            context.counts.bridges[bridge, default: BridgeCounts()].refused += 1
            try tell(reason, of: bridge, place: place, in: context)
        }
        links[bridge]?.underway[place] = nil
        if try context.ledger.bridged(place: place)?.version == version {
            try context.ledger.apply(.bridgedEnded(place: place))
        }
        try publish(on: bridge, in: &context)
    }

    private mutating func tell(
        _ reason: String, of bridge: String, place: Int64, in context: Context
    ) throws(LedgerError) {
        guard context.now.lived >= (complained[bridge] ?? -.infinity) + Tuning.refusalPause else { return }
        complained[bridge] = context.now.lived
        let topic = try context.ledger.bridged(place: place)?.topic ?? "?"
        try context.note(
            .bridge, level: .warning,
            text: "bridge \(bridge): the local broker refuses a message on \(topic.prefix(256)): \(reason)",
            reason: "local-refused")
    }

    /// What waits, as far as the broker takes it: the oldest places first.
    private mutating func publish(on bridge: String, in context: inout Context) throws(LedgerError) {
        guard let rule = context.policy.bridge(named: bridge), var link = links[bridge],
            link.underway.count < link.room
        else { return }
        defer { links[bridge] = link }
        let rows = try context.ledger.readyBridged(bridge: bridge, direction: .inward, limit: link.room)
        for row in rows where link.underway[row.place] == nil && link.underway.count < link.room {
            guard rule.letsIn(row.topic) else {
                try context.ledger.apply(.bridgedEnded(place: row.place))
                continue
            }
            link.underway[row.place] = row.version
            context.perform(
                .bridge(
                    .publish(
                        BridgePublication(
                            bridge: bridge, place: row.place, version: row.version, topic: rule.prefix + row.topic,
                            payload: row.payload, isRetained: row.isRetained && rule.retain == .asIs))))
        }
    }
}
