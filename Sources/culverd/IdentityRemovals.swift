import Agent
import DIMP
import Operations
import Records
import Store

/// Identities on their way out: it was written down that they are to go, and all that is of them goes, over as many
/// turns as it takes.
@MainActor struct IdentityRemovals {
    let loop: Loop
    let running: RunningConfiguration
    let presence: BrokerPresence

    /// Files, messages and what brokers keep of identities that are to go, or were removed while no daemon ran.
    func finish(_ action: @escaping @MainActor () -> Void = {}) {
        loop.add(
            .duty { turn in
                let removed = try loop.store.values(.removed)
                var isMore = false
                for (key, did) in removed {
                    isMore = try remove(did, under: key, in: &turn) || isMore
                }
                turn.after {
                    if isMore { return finish(action) }
                    if !removed.isEmpty, presence.hasDialled { presence.dial() }
                    action()
                }
            })
    }

    /// Whether something is left to do.
    private func remove(_ did: String, under key: LedgerKey, in turn: inout Turn) throws -> Bool {
        guard let id = ID(did) else {
            try turn.ledger.apply(.value(key, nil))
            return false
        }
        if loop.book.facebook.identity(id.address) != nil {
            loop.identityOperations.remove(id)
            loop.book.keys.forgetOwn(id.address)
        }
        try turn.handle(.identitiesChanged)
        try turn.handle(.identityGone(id))
        guard try loop.store.livingOutgoing(sender: id.bare, limit: 1).isEmpty else { return true }
        try turn.note(
            .identity, level: .warning, text: "removed the identity \(id) and its keys", did: id, reason: "removed")
        for change in IdentityOperations.forgetting(id.address) { try turn.ledger.apply(change) }
        for broker in running.configuration.brokers {
            try turn.ledger.apply(.value(.clearing(id.address, broker: broker.name), did))
        }
        return false
    }
}
