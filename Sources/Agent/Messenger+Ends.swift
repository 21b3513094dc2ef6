import Crypto
import DIMP
import Format
import Records

/// What brokers say of a parcel, and how a message ends.
extension Messenger {
    mutating func acknowledge(_ number: UInt64, _ outcome: Outcome, _ now: Moment) throws(LedgerError) {
        guard let errand = parcels.removeValue(forKey: number) else { return }
        if let broker = errand.broker { rooms[broker]? += 1 }
        switch errand.purpose {
        case .message(let id): try acknowledge(id, outcome, now)
        case .receipts(let receipted):
            // Where nobody listens the peer will repeat, and is receipted again.
            guard outcome == .taken || outcome == .nobody else { break }
            for one in receipted {
                guard var seen = try ledger.accepted(owner: one.owner, sender: one.sender, digest: one.digest),
                    seen.isOwed
                else { continue }
                seen.isOwed = false
                try ledger.apply(.accepted(seen))
            }
        case .clearing(let address):
            if let broker = errand.broker { try noteCleared(address, on: broker, outcome) }
        case .courtesy: break
        }
        try pump(now)
    }

    private mutating func acknowledge(_ id: String, _ outcome: Outcome, _ now: Moment) throws(LedgerError) {
        guard var row = try ledger.outgoing(id: id), !row.state.isEnd, let receiver = ID(row.receiver) else { return }
        switch outcome {
        case .taken:
            row.state = .published
            if row.published == nil { counts.published += 1 }
            row.published = row.published ?? now.wall
            row.reason = nil
            // Stock peers do not de-duplicate: to them a message goes once, and published is its end.
            if isOnce(receiver) {
                row = rested(row, receiver, now)
                try forgetTry(row)
            }
        case .nobody:
            row.reason = "nobody-subscribed"
            try forgetTry(row)
            // Perhaps on the next broker; when all were asked, after the pause.
            if row.due != nil, row.attempts % max(1, rooms.count) != 0 { row.due = now.lived }
        case .refused(let words):
            row.reason = "broker-refused: \(words)"
            try forgetTry(row)
        }
        try ledger.apply(.outgoing(row))
        effects.append(.changed(row))
    }

    /// What was on its way there may be lost: messages are due again, owed receipts are made again.
    mutating func unlink(_ broker: String, _ now: Moment) throws(LedgerError) {
        rooms[broker] = nil
        backlog.removeAll { $0.broker == broker }
        repairs = repairs.filter { $0.key.broker != broker }
        for number in parcels.keys.sorted() where parcels[number]?.broker == broker {
            guard let errand = parcels.removeValue(forKey: number) else { continue }
            switch errand.purpose {
            case .message(let id):
                guard var row = try ledger.outgoing(id: id), !row.state.isEnd, row.due != nil else { continue }
                // Overdue before all others: it was to go before them.
                row.due = 0
                try ledger.apply(.outgoing(row))
            case .receipts(let receipted):
                for one in receipted where !rooms.isEmpty {
                    let seen = try ledger.accepted(owner: one.owner, sender: one.sender, digest: one.digest)
                    if let seen, seen.isOwed { sendReceipt(seen, now) }
                }
            case .courtesy, .clearing: break
            }
        }
        try pump(now)
    }

    // MARK: - Ends

    mutating func cancel(_ id: String, _ token: UInt64, _ now: Moment) throws(LedgerError) {
        guard let row = try ledger.outgoing(id: id) else {
            effects.append(.answer(token, .refused(Refusal(.noInput, "unknown-message", "there is no message \(id)"))))
            return
        }
        guard !row.state.isEnd else {
            effects.append(
                .answer(token, .refused(Refusal(.ended, "ended", "the message is \(row.state.rawValue) already"))))
            return
        }
        try end(row, .cancelled, "cancelled", now)
        effects.insert(
            .answer(token, .accepted(id: row.id, sn: row.sn, state: DeliveryState.cancelled.rawValue, isRepeat: false)),
            at: 0)
    }

    /// What was sent once and taken by a broker. Who has shown no visa yet may turn out to be a culver agent, which gets
    /// repeats: until then the row lies still.
    func rested(_ row: Outgoing, _ receiver: ID, _ now: Moment) -> Outgoing {
        let isUndecided = !receiver.isBroadcast && book.visa(of: receiver) == nil && now.lived < row.expires
        var row = isUndecided ? row : spent(row)
        row.due = isUndecided ? min(row.expires, now.lived + policy.longestPause) : nil
        return row
    }

    /// The digest and the signature stay, so that a late receipt finds the row; the ciphertext and its key do not.
    private func spent(_ row: Outgoing) -> Outgoing {
        var row = row
        row.content = ""
        if let sealed = row.sealed {
            row.sealed = Outgoing.Sealed(digest: sealed.digest, data: [], signature: sealed.signature, iv: [], key: "")
        }
        return row
    }

    private mutating func count(_ end: DeliveryState) {
        switch end {
        case .delivered: counts.delivered += 1
        case .expired: counts.expired += 1
        case .failed: counts.failed += 1
        case .cancelled: counts.cancelled += 1
        case .waiting, .queued, .published: break
        }
    }

    mutating func end(_ row: Outgoing, _ state: DeliveryState, _ reason: String?, _ now: Moment) throws(LedgerError) {
        var row = row
        row.state = state
        row.reason = reason
        row.due = nil
        if state == .delivered { row.delivered = now.wall }
        count(state)
        row = spent(row)
        try forgetTry(row)
        try ledger.apply(.outgoing(row))
        effects.append(.changed(row))
        if state != .delivered {
            try note(
                .message, state == .cancelled ? .info : .warning,
                "message \(row.id) to \(row.receiver) \(state.rawValue)",
                did: ID(row.receiver), id: row.id, reason: reason, now)
        }
    }
}
