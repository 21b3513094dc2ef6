import DIMP
import Records

/// Bridges between local brokers of boards (extensions.md 12): what local brokers show goes out by `BridgeOutbox`, what
/// peers send comes in by `BridgeInbox`.
struct Bridges {
    private var outbox = BridgeOutbox()
    private var inbox = BridgeInbox()

    mutating func hear(_ news: BridgeNews, in context: inout Context) throws(LedgerError) {
        switch news {
        case .configured:
            try forgetOthers(in: context)
            try outbox.configure(in: &context)
        case .arrived(let message, let bridge):
            try outbox.take(message, of: bridge, in: &context)
            context.perform(.bridge(.saved(bridge: bridge)))
        case .connected(let bridge, let room): try inbox.connected(bridge, room: room, in: &context)
        case .disconnected(let bridge): inbox.disconnected(bridge)
        case .answered(let bridge, let place, let version, let outcome):
            try inbox.answered(bridge, place: place, version: version, as: outcome, in: &context)
        }
    }

    /// What waits is for the peer, and from the peer, that the section named then: no other one gets it.
    private func forgetOthers(in context: Context) throws(LedgerError) {
        let rules = context.policy.bridges
        for name in context.ledger.bridgesWithRows where !rules.contains(where: { $0.name == name }) {
            try context.ledger.apply(.forgetBridge(name))
            try context.ledger.apply(.value(.bridge(name), nil))
        }
        for rule in rules {
            let peer =
                switch rule.peer {
                case .name(let name): name
                case .id(let id): id.text
                }
            let last = try context.ledger.value(.bridge(rule.name))
            guard last != peer else { continue }
            if last != nil { try context.ledger.apply(.forgetBridge(rule.name)) }
            try context.ledger.apply(.value(.bridge(rule.name), peer))
        }
    }

    /// A peer's message.
    mutating func take(_ content: BridgeContent, in context: inout Context) throws(LedgerError) {
        try inbox.take(content, in: &context)
    }

    /// What the outbox said to messages of bridges, among all effects of an input.
    mutating func follow(_ effects: [Effect], in context: inout Context) throws(LedgerError) {
        try outbox.follow(effects, in: &context)
    }

    /// The same where nothing can be written.
    mutating func giveUp(_ effects: [Effect], at now: Moment) { outbox.giveUp(effects, at: now) }

    /// Messages that may go to their peers now.
    mutating func next(
        publishing: Publishing, presence: inout PresenceWatch, lookups: inout Lookups, in context: inout Context
    ) throws(LedgerError) -> [Submission] {
        try outbox.next(publishing: publishing, presence: &presence, lookups: &lookups, in: &context)
    }

    var nextDue: Double? { outbox.nextDue }
}
