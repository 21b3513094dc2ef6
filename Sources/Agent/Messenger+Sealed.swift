import Crypto
import DIMP
import Format
import Records

/// What the pool has sealed: saved, answered, published.
extension Messenger {
    mutating func finish(_ sealing: Sealing, _ packed: Packing.Packed, _ now: Moment) throws(LedgerError) {
        switch sealing.purpose {
        case .message(let row, let tokens): try queue(row, sealing, packed, tokens, now)
        case .receipts(let seen):
            if !rooms.isEmpty { counts.receiptsSent += seen.count }
            let to = sealing.packing.receiver
            dispatch(
                PendingPublication(
                    place: .inbox(to.address), payload: wire(packed.message, sealing.packing.identity, to: to),
                    purpose: .receipts(seen)))
            if let last = seen.last { gatherReceipts(after: last, now) }
        case .query(let id):
            dispatch(
                PendingPublication(
                    place: .inbox(id.address), payload: wire(packed.message, sealing.packing.identity, to: id),
                    purpose: .courtesy))
        case .courtesy:
            let to = sealing.packing.receiver
            dispatch(
                PendingPublication(
                    place: .inbox(to.address), payload: wire(packed.message, sealing.packing.identity, to: to),
                    purpose: .courtesy))
        }
    }

    private mutating func queue(
        _ row: Outgoing, _ sealing: Sealing, _ packed: Packing.Packed, _ tokens: [UInt64], _ now: Moment
    ) throws(LedgerError) {
        var row = row
        pooled.remove(row.id)
        try goOn(after: row, now)
        // Cancelled or expired while the pool worked. A row is sealed once: two ciphertexts would be two messages.
        let stored = try ledger.outgoing(id: row.id)
        if let stored, stored.state != .waiting { return }
        counts.sealed += 1
        if stored == nil { counts.accepted += 1 }
        let secure = packed.message.secure
        row.content = JSON.object(sealing.content.json).text
        row.sealed = Outgoing.Sealed(
            digest: Digest.sha256(secure.data), data: secure.data, signature: packed.message.signature,
            iv: secure.iv ?? [], key: packed.key == .plain ? "" : packed.key.json().text)
        row.state = .queued
        row.due = now.lived
        let receiver = sealing.packing.receiver
        if let broker = freeBroker(attempt: row.attempts) {
            row.attempts += 1
            row.due = min(row.expires, pause(after: row.attempts, now))
            try rememberTry(row, receiver, now)
            dispatch(
                PendingPublication(
                    place: .inbox(receiver.address),
                    payload: wire(packed.message, sealing.packing.identity, to: receiver),
                    purpose: .message(id: row.id), expiry: remaining(row, now), broker: broker))
        }
        try ledger.apply(.outgoing(row))
        if let number = sealing.content.json["seq"]?["n"]?.integer {
            try ledger.apply(.value(key: counter(from: sealing.packing.identity.id, to: receiver), String(number)))
        }
        let others = takeWaiting(row)
        let answers = tokens.map { ($0, false) } + others.map { ($0, true) }
        // Answers stand before the parcel: save, answer, publish.
        effects.insert(
            contentsOf: answers.map { token, isRepeat in
                .answer(token, .accepted(id: row.id, sn: row.sn, state: row.state.rawValue, isRepeat: isRepeat))
            }, at: 0)
        effects.append(.changed(row))
    }

    mutating func fail(_ sealing: Sealing, _ words: String, _ now: Moment) throws(LedgerError) {
        if case .receipts(let seen) = sealing.purpose, let last = seen.last { gatherReceipts(after: last, now) }
        guard case .message(let row, let tokens) = sealing.purpose else { return }
        pooled.remove(row.id)
        try goOn(after: row, now)
        try fail(row, tokens, "cannot-seal", words, now)
    }

    mutating func fail(
        _ row: Outgoing, _ tokens: [UInt64], _ reason: String, _ words: String, _ now: Moment
    ) throws(LedgerError) {
        for token in tokens + takeWaiting(row) {
            effects.append(.answer(token, .refused(Refusal(.inputOutput, reason, words))))
        }
        if let stored = try ledger.outgoing(id: row.id), !stored.state.isEnd { try end(stored, .failed, reason, now) }
    }

    /// Who else asked with the same ref while the pool worked.
    mutating func takeWaiting(_ row: Outgoing) -> [UInt64] {
        refKey(of: row).flatMap { sealing.removeValue(forKey: $0)?.tokens } ?? []
    }

    func refKey(of row: Outgoing) -> String? {
        row.ref.map { "\(row.sender) \(row.receiver) \($0)" }
    }
}
