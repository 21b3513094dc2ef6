package import DIMP
package import Records

/// What the agent asks: `Ledger` says what each answer means, the tables find it.
extension MessageStore {
    package func outgoing(id: String) throws(LedgerError) -> Outgoing? { try tables.outbox.row(id: id) }

    package func outgoing(sender: ID, receiver: ID, group: ID?, ref: String) throws(LedgerError) -> Outgoing? {
        try tables.outbox.row(sender: sender, receiver: receiver, group: group, ref: ref)
    }

    package func outgoing(message id: String) throws(LedgerError) -> [Outgoing] {
        try reading { () throws(LedgerError) in try tables.outbox.rows(message: id) }
    }

    package func outgoing(shipment number: Int64) throws(LedgerError) -> [Outgoing] {
        try reading { () throws(LedgerError) in try tables.outbox.rows(shipment: number) }
    }

    package func nextShipment() throws(LedgerError) -> Int64 { tables.shipments.next }

    package func shipment(_ number: Int64) throws(LedgerError) -> Shipment? { try tables.shipments.row(number) }

    package func shipment(digest: [UInt8]) throws(LedgerError) -> Shipment? {
        try tables.shipments.row(digest: digest)
    }

    package func shipment(digest: [UInt8], receiver: ID) throws(LedgerError) -> Shipment? {
        try tables.shipments.row(digest: digest, receiver: receiver)
    }

    package func shipments(sn: Int64, receiver: ID) throws(LedgerError) -> [Shipment] {
        try tables.shipments.rows(sn: sn, receiver: receiver)
    }

    package func shipment(signature: [UInt8], receiver: ID, ids: Range<String>) throws(LedgerError) -> Shipment? {
        try tables.shipments.row(signature: signature, receiver: receiver, ids: ids)
    }

    package func ciphertext(of shipment: Int64) throws(LedgerError) -> Shipment.Ciphertext? {
        try tables.shipments.ciphertext(of: shipment)
    }

    package func dueShipments(at lived: Double, limit: Int) throws(LedgerError) -> [Shipment] {
        try reading { () throws(LedgerError) in try tables.shipments.due(at: lived, limit: limit) }
    }

    package func heldShipments(receiver: ID, wasSent: Bool, limit: Int) throws(LedgerError) -> [Shipment] {
        try reading { () throws(LedgerError) in
            try tables.shipments.held(receiver: receiver, wasSent: wasSent, limit: limit)
        }
    }

    package func heldReceivers(limit: Int) throws(LedgerError) -> [ID] {
        try reading { () throws(LedgerError) in try tables.shipments.heldReceivers(limit: limit) }
    }

    package func dueOutgoing(at lived: Double, limit: Int) throws(LedgerError) -> [Outgoing] {
        try reading { () throws(LedgerError) in try tables.outbox.due(at: lived, limit: limit) }
    }

    package func waitingOutgoing(receiver: ID, after order: Int64, limit: Int) throws(LedgerError) -> [Outgoing] {
        try reading { () throws(LedgerError) in
            try tables.outbox.waiting(receiver: receiver, after: order, limit: limit)
        }
    }

    package func awaitedReceivers(limit: Int) throws(LedgerError) -> [ID] {
        try reading { () throws(LedgerError) in try tables.outbox.awaitedReceivers(limit: limit) }
    }

    package func expiredOutgoing(at lived: Double, limit: Int) throws(LedgerError) -> [Outgoing] {
        try reading { () throws(LedgerError) in try tables.outbox.expired(at: lived, limit: limit) }
    }

    package func livingOutgoing(sender: ID, limit: Int) throws(LedgerError) -> [Outgoing] {
        try reading { () throws(LedgerError) in try tables.outbox.living(sender: sender, limit: limit) }
    }

    package func nextExpiry() throws(LedgerError) -> Double? {
        let next = [try tables.outbox.nextExpiry(), try tables.shipments.nextExpiry()]
        return next.compactMap { $0 }.min()
    }

    package func nextDue() throws(LedgerError) -> Double? {
        let next = [try tables.outbox.nextDue(), try tables.shipments.nextDue()]
        return next.compactMap { $0 }.min()
    }

    package func outboxSize() throws(LedgerError) -> (count: Int64, bytes: Int64) {
        (tables.outbox.size.count, tables.outbox.size.bytes + tables.shipments.bytes)
    }

    /// Searches a full inbox for rows to drop, but not again before a consumer has read.
    package func inboxHasRoom(rows: Int, bytes: Int64) throws(LedgerError) -> Bool {
        if tables.inbox.hasRoom(for: rows, bytes: bytes, within: limits) { return true }
        guard !tables.inbox.isStuck else { return false }
        return try writing { () throws(LedgerError) in
            try tables.inbox.makeRoom(for: rows, bytes: bytes, within: limits)
        }
    }

    package func laggard() throws(LedgerError) -> String? { try tables.inbox.laggard() }

    package func accepted(owner: Address, sender: Address, digest: [UInt8]) throws(LedgerError) -> AcceptedRecord? {
        try tables.accepted.row(owner: owner, sender: sender, digest: digest)
    }

    package func accepted(
        owner: Address, sender: Address, contentDigest: [UInt8]
    ) throws(LedgerError) -> AcceptedRecord? {
        try tables.accepted.row(owner: owner, sender: sender, contentDigest: contentDigest)
    }

    package func owedReceipts(limit: Int) throws(LedgerError) -> [AcceptedRecord] {
        try reading { () throws(LedgerError) in try tables.accepted.owed(limit: limit) }
    }

    package func parked(
        sender: Address, isVerified: Bool, after: Int64, limit: Int
    ) throws(LedgerError) -> [Parked] {
        try reading { () throws(LedgerError) in
            try tables.parking.rows(sender: sender, isVerified: isVerified, after: after, limit: limit)
        }
    }

    package func parkedSenders(isVerified: Bool, limit: Int) throws(LedgerError) -> [ID] {
        try reading { () throws(LedgerError) in try tables.parking.senders(isVerified: isVerified, limit: limit) }
    }

    package func value(_ key: LedgerKey) throws(LedgerError) -> String? { try tables.values.value(key) }

    package func values(_ family: LedgerKey.Family) throws(LedgerError) -> [(key: LedgerKey, value: String)] {
        try tables.values.values(family)
    }
}
