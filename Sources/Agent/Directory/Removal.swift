import DIMP
import Records

/// The retained topics of an identity that is gone are cleared on every broker that has them. A broker may be away for
/// long, so what is still to be cleared stands in the ledger (`LedgerKey.clearing`).
enum Removal {
    /// Leaves and clears such topics on a broker that has just come. An empty retained message is none.
    static func clearTopics(
        on broker: String, publishing: inout Publishing, in context: inout Context
    ) throws(LedgerError) {
        for (key, _) in try context.ledger.values(.clearings) {
            guard case .clearing(let address, broker: broker) = key else { continue }
            // It is ours again.
            guard !context.book.isOurs(address) else {
                try context.ledger.apply(.value(key, nil))
                continue
            }
            context.perform(.abandon(address, broker: broker))
            for topic in Topic.directory(of: address) {
                publishing.publish(
                    PendingPublication(topic: topic, payload: [], purpose: .clearing(address), broker: broker),
                    in: &context)
            }
        }
    }

    /// The broker's word about one of the topics; done with the last. Refused, it is tried at the next connection.
    static func cleared(
        _ address: Address, on broker: String, as outcome: Outcome, publishing: Publishing, in context: Context
    ) throws(LedgerError) {
        guard outcome == .taken || outcome == .nobody, !publishing.isClearing(address, on: broker) else { return }
        try context.ledger.apply(.value(.clearing(address, broker: broker), nil))
    }
}
