package import DIMP
import Records

/// What remains to be done for an identity that is gone: its messages fail, and its retained topics are cleared on every
/// broker that has them. A broker may be away for long, so what is still to be cleared stands in the ledger:
///
///     clear ADDRESS BROKER
extension Messenger {
    /// The ledger's key for one broker; without it, the beginning of those for all.
    package static func clearKey(_ address: Address, _ broker: String = "") -> String { "clear \(address) \(broker)" }

    private static var failedAtOnce: Int { 256 }

    mutating func failMessages(of id: ID, _ now: Moment) throws(LedgerError) {
        for row in try ledger.livingOutgoing(sender: id.bare.text, limit: Self.failedAtOnce) {
            try end(row, .failed, "identity-removed", now)
        }
    }

    /// Nothing is put back, or on its way, that is not ours.
    mutating func forgetForeignShelves() {
        repairs = repairs.filter { book.identity($0.key.place.address) != nil }
        backlog.removeAll { errand in
            guard case .courtesy = errand.purpose else { return false }
            if case .inbox = errand.place { return false }
            return book.identity(errand.place.address) == nil
        }
    }

    /// An empty retained message is none. Not for what is ours again.
    mutating func clearShelves(on broker: String) throws(LedgerError) {
        for (key, _) in try ledger.values(prefix: "clear ") {
            let words = key.split(separator: " ", maxSplits: 2)
            guard words.count == 3, words[2] == broker, let address = Address(String(words[1])) else { continue }
            guard book.identity(address) == nil else {
                try ledger.apply(.value(key: key, nil))
                continue
            }
            effects.append(.abandon(address, broker: broker))
            for place in [Topic.meta(address), .visa(address), .state(address)] {
                dispatch(PendingPublication(place: place, payload: [], purpose: .clearing(address), broker: broker))
            }
        }
    }

    /// One of the topics; done with the last. Refused, it is tried at the next connection.
    mutating func noteCleared(_ address: Address, on broker: String, _ outcome: Outcome) throws(LedgerError) {
        guard outcome == .taken || outcome == .nobody else { return }
        func isOfThese(_ errand: PendingPublication) -> Bool {
            if case .clearing(address) = errand.purpose { errand.broker == broker } else { false }
        }
        guard !parcels.values.contains(where: isOfThese), !backlog.contains(where: isOfThese) else { return }
        try ledger.apply(.value(key: Self.clearKey(address, broker), nil))
    }
}

extension Topic {
    var address: Address {
        switch self {
        case .inbox(let address), .meta(let address), .visa(let address), .state(let address): address
        }
    }
}
