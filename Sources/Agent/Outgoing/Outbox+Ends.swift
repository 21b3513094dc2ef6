import DIMP
import Records

/// How a message of the outbox ends: by its owner's word, by its receiver's, or otherwise.
extension Outbox {
    func cancel(_ id: String, token: UInt64, in context: inout Context) throws(LedgerError) {
        let rows = try context.ledger.outgoing(message: id)
        guard let row = Outgoing.message(of: rows) else {
            return context.refuse(token, as: .noInput, reason: "unknown-message", text: "there is no message \(id)")
        }
        if row.state == .delivered {
            return context.refuse(
                token, as: .exists, reason: "ended", text: "the message is delivered: it cannot be called back")
        }
        var isEnded = false
        for row in rows {
            if try Self.end(row, by: .cancelled, reason: "cancelled", in: &context) { isEnded = true }
        }
        guard isEnded else {
            return context.refuse(
                token, as: .ended, reason: "ended", text: "the message is \(row.state.rawValue) already")
        }
        let answer = Answer.accepted(
            id: row.id, sn: row.sn, state: DeliveryState.cancelled.rawValue, isRepeat: false)
        context.answer(token, with: answer)
    }

    /// An identity is gone: its messages fail, a portion at a time.
    func failAll(of sender: ID, in context: inout Context) throws(LedgerError) {
        for row in try context.ledger.livingOutgoing(sender: sender.bare, limit: Tuning.failedInOneTurn) {
            try Self.end(row, by: .failed, reason: "identity-removed", in: &context)
        }
    }

    /// The receiver has proved that it has this shipment, so every row of it is delivered that can be. False when that
    /// was known, or nothing of it may change any more.
    @discardableResult
    static func close(
        _ shipment: Shipment, reason: String? = nil, in context: inout Context
    ) throws(LedgerError) -> Bool {
        let rows = try context.ledger.outgoing(shipment: shipment.number)
        let now = context.now.wall
        let delivered = try move(rows, by: .receipt, in: &context) { row in
            (row.reason, row.delivered) = (reason, now)
        }
        context.counts.delivered += Int64(delivered.count)
        if let row = delivered.first, let first = rows.first {
            context.end(row)
            try FirstTry.forget(first, in: context)
        }
        // An application that says that it received and that it does not understand says both in any order.
        for var row in rows where reason != nil && row.state == .delivered && row.reason == nil {
            row.reason = reason
            try context.ledger.apply(.outgoing(row))
            context.perform(.changed(row))
        }
        return !delivered.isEmpty
    }

    /// What becomes of the rows of one shipment by this event, and by `change`; rows that the event does not change stay
    /// as they are. One write for all that have one state.
    @discardableResult
    static func move(
        _ rows: [Outgoing], by event: Delivery.Event, in context: inout Context,
        changing change: (inout Outgoing) -> Void
    ) throws(LedgerError) -> [Outgoing] {
        var moved: [Outgoing] = []
        var written: [Delivery] = []
        for row in rows {
            guard var next = row.after(event) else { continue }
            change(&next)
            if !written.contains(row.delivery) {
                written.append(row.delivery)
                try context.ledger.apply(.moved(from: row, to: next))
            }
            moved.append(next)
            context.perform(.changed(next))
        }
        return moved
    }

    /// Ends one message, and keeps nothing of its content. False when it has ended already.
    @discardableResult
    static func end(
        _ row: Outgoing, by event: Delivery.Event, reason: String?, in context: inout Context
    ) throws(LedgerError) -> Bool {
        guard var row = row.after(event) else { return false }
        if row.shipment == nil { row.body = .none }
        row.reason = reason
        switch row.state {
        case .expired: context.counts.expired += 1
        case .failed: context.counts.failed += 1
        case .cancelled: context.counts.cancelled += 1
        case .waiting, .queued, .published, .delivered: break
        }
        try FirstTry.forget(row, in: context)
        try context.ledger.apply(.outgoing(row))
        if let number = row.shipment, try context.ledger.shipment(number)?.due == nil { context.end(row) }
        context.perform(.changed(row))
        try context.note(
            .message, level: row.state == .cancelled ? .info : .warning,
            text: "message \(row.id) to \(row.receiver) \(row.state.rawValue)", did: row.receiver, id: row.id,
            reason: reason)
        return true
    }
}
