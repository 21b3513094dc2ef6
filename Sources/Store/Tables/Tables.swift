import Records

/// The tables of one file. Each keeps its own running totals, and writes only within the transaction that its owner, the
/// `MessageStore`, has opened. They are values: the owner keeps those from before a turn, and puts them back when the
/// turn is undone.
struct Tables {
    var outbox: OutboxTable
    var shipments: ShipmentTable
    var inbox: InboxTable
    var consumers: ConsumerTable
    var accepted: AcceptedTable
    var parking: ParkingTable
    var events: EventTable
    var values: ValueTable
    var peers: PeerTable
    var calls: CallTable
    var bridged: BridgeTable
    var pipes: PipeTable

    init(_ database: Database) throws(LedgerError) {
        outbox = try OutboxTable(database)
        shipments = try ShipmentTable(database)
        inbox = try InboxTable(database)
        consumers = ConsumerTable(database)
        accepted = AcceptedTable(database)
        parking = ParkingTable(database)
        events = try EventTable(database)
        values = ValueTable(database)
        peers = PeerTable(database)
        calls = try CallTable(database)
        bridged = try BridgeTable(database)
        pipes = try PipeTable(database)
    }
}

/// Rows of the outbox and what carries them: a shipment is kept for its living rows.
extension Tables {
    mutating func put(_ row: Outgoing) throws(LedgerError) {
        let old = try outbox.put(row)
        peers.count(row, after: old)
        if let number = row.shipment, !row.isLiving || old?.isLiving != true { try keep(number) }
    }

    mutating func add(_ shipment: Shipment, _ body: Shipment.Ciphertext, _ rows: [Outgoing]) throws(LedgerError) {
        try shipments.add(shipment, body, expires: rows.lazy.map(\.expires).min() ?? 0)
        for row in rows {
            // Most rows are new, and nothing need be asked of them.
            let old = row.order == 0 ? try outbox.add(row) : try outbox.put(row)
            peers.count(row, after: old)
        }
    }

    mutating func move(_ old: Outgoing, to new: Outgoing) throws(LedgerError) {
        let count = try outbox.move(old, to: new)
        peers.count(count, as: new, after: old)
        if let number = old.shipment, old.isLiving, !new.isLiving { try keep(number) }
    }

    private mutating func keep(_ number: Int64) throws(LedgerError) {
        try shipments.keep(number, until: outbox.expiry(shipment: number))
    }
}

extension Database {
    /// How many rows of a table are pruned at a time: an hour's worth at once would hold up the whole daemon.
    static let portion: Int64 = 250
    /// The greatest number of a row: JSON's numbers are exact up to it.
    static let greatestNumber: Int64 = 1 << 53
    /// The size of a row in SQL, within what a row can have, so that a sum of them does not overflow.
    static let size = "min(max(size, 0), 2147483648)"

    /// Runs a statement with two parameters, a time and how many rows it may change; says whether it changed so many.
    func runPortion(_ sql: String, time: Double) throws(LedgerError) -> Bool {
        try run(sql, [.real(time), .integer(Self.portion)])
        return changes == Self.portion
    }
}
