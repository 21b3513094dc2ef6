import DIMP
import Records

/// What was sealed, until the last of its rows is pruned: tables `shipments` and, while a row lives, `shipment_body`.
struct ShipmentTable {
    /// The bytes of the ciphertexts that are kept.
    private(set) var bytes: Int64
    /// The number of the newest.
    private var last: Int64

    private let database: Database

    init(_ database: Database) throws(LedgerError) {
        self.database = database
        bytes = try Self.bytes(in: database)
        last = try database.first("SELECT max(number) FROM shipments") { $0.count(0) } ?? 0
    }

    private static func bytes(in database: Database) throws(LedgerError) -> Int64 {
        let sql = """
            SELECT coalesce(sum(\(Database.size)), 0) FROM shipments INDEXED BY shipments_expires WHERE due IS NOT NULL
            """
        return try database.first(sql) { $0.integer(0) } ?? 0
    }

    /// Shipments have lost their last living row behind this table's back.
    mutating func countAnew() throws(LedgerError) { bytes = try Self.bytes(in: database) }

    var next: Int64 { last + 1 }

    func row(_ number: Int64) throws(LedgerError) -> Shipment? {
        try database.first("\(head) WHERE number = ?", [.integer(number)], Shipment.init)
    }

    func row(digest: [UInt8]) throws(LedgerError) -> Shipment? {
        try database.first("\(head) WHERE digest = ? ORDER BY number LIMIT 1", [.blob(digest)], Shipment.init)
    }

    func row(digest: [UInt8], receiver: ID) throws(LedgerError) -> Shipment? {
        try database.first(
            "\(head) WHERE digest = ? AND +receiver = ? ORDER BY number LIMIT 1", [.blob(digest), .id(receiver)],
            Shipment.init)
    }

    func rows(sn: Int64, receiver: ID) throws(LedgerError) -> [Shipment] {
        try database.rows(
            "\(head) WHERE sn = ? AND +receiver = ? ORDER BY number DESC LIMIT 8", [.integer(sn), .id(receiver)],
            Shipment.init)
    }

    func row(signature: [UInt8], receiver: ID, ids: Range<String>) throws(LedgerError) -> Shipment? {
        // CROSS JOIN keeps the order: a shipment is read of rows in the range alone.
        let rows = """
            SELECT s.number FROM outbox o CROSS JOIN shipments s ON s.number = o.shipment
            WHERE o.id >= ? AND o.id < ? AND o.receiver = ? AND s.signature = ? LIMIT 1
            """
        return try database.first(
            "\(head) WHERE number = (\(rows))",
            [.text(ids.lowerBound), .text(ids.upperBound), .id(receiver), .blob(signature)], Shipment.init)
    }

    func ciphertext(of number: Int64) throws(LedgerError) -> Shipment.Ciphertext? {
        try database.first("SELECT data, iv, key FROM shipment_body WHERE number = ?", [.integer(number)]) { row in
            let (iv, key) = (row.blob(1), row.text(2))
            return Shipment.Ciphertext(data: row.blob(0), iv: iv.isEmpty ? nil : iv, key: key.isEmpty ? nil : key)
        }
    }

    func due(at lived: Double, limit: Int) throws(LedgerError) -> [Shipment] {
        let due = "SELECT number FROM shipments WHERE due IS NOT NULL AND due <= ? ORDER BY due, number LIMIT ?"
        return try database.rows(
            "\(head) WHERE number IN (\(due)) ORDER BY number", [.real(lived), .count(limit)], Shipment.init)
    }

    func held(receiver: ID, wasSent: Bool, limit: Int) throws(LedgerError) -> [Shipment] {
        let held = "FROM shipments INDEXED BY shipments_held WHERE due IS NOT NULL AND receiver = ?1 AND held = ?2"
        let best = "SELECT number \(held) AND priority = (SELECT min(priority) \(held)) ORDER BY number LIMIT ?3"
        return try database.rows(
            "\(head) WHERE number IN (\(best)) ORDER BY number",
            [.id(receiver), .integer(wasSent ? 2 : 1), .count(limit)], Shipment.init)
    }

    func heldReceivers(limit: Int) throws(LedgerError) -> [ID] {
        // From one receiver to the next; DISTINCT would read what is held for each.
        let next = """
            SELECT min(receiver) FROM shipments INDEXED BY shipments_held WHERE due IS NOT NULL AND held IS NOT NULL
            """
        let sql = """
            WITH RECURSIVE awaited (receiver) AS (\(next)
                UNION ALL SELECT (\(next) AND receiver > a.receiver) FROM awaited a WHERE a.receiver IS NOT NULL)
            SELECT receiver FROM awaited WHERE receiver IS NOT NULL LIMIT ?
            """
        return try database.rows(sql, [.count(limit)]) { row throws(LedgerError) in try row.id(0) }
    }

    func nextDue() throws(LedgerError) -> Double? {
        try database.first("SELECT min(due) FROM shipments WHERE due IS NOT NULL") {
            $0.optionalReal(0)
        } ?? nil
    }

    func nextExpiry() throws(LedgerError) -> Double? {
        try database.first("SELECT min(expires) FROM shipments WHERE due IS NOT NULL") { $0.optionalReal(0) } ?? nil
    }

    /// `expires`: when the first of its rows does.
    mutating func add(_ shipment: Shipment, _ body: Shipment.Ciphertext, expires: Double) throws(LedgerError) {
        try database.run(
            """
            INSERT INTO shipments (number, sender, receiver, grp, sn, digest, signature, type, time, signed, attempts, due,
                expires, size, priority, held)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
            """,
            [
                .integer(shipment.number), .id(shipment.sender), .id(shipment.receiver), SQLValue(shipment.group),
                SQLValue(shipment.sn), .blob(shipment.digest), .blob(shipment.signature), SQLValue(shipment.type),
                SQLValue(shipment.time), .flag(shipment.wantsSignedReceipt), .integer(shipment.attempts),
                .real(shipment.due ?? 0), .real(expires),
                .count(body.data.count), .integer(shipment.priority.rank), shipment.held,
            ])
        try database.run(
            "INSERT OR REPLACE INTO shipment_body (number, data, iv, key) VALUES (?, ?, ?, ?)",
            [.integer(shipment.number), .blob(body.data), SQLValue(body.iv), SQLValue(body.key)])
        last = max(last, shipment.number)
        bytes += Int64(body.data.count)
    }

    mutating func attempted(_ shipment: Shipment) throws(LedgerError) {
        guard shipment.due != nil else { return try keep(shipment.number, until: nil) }
        try database.run(
            "UPDATE shipments SET attempts = ?, due = ?, held = ? WHERE number = ?",
            [.integer(shipment.attempts), SQLValue(shipment.due), shipment.held, .integer(shipment.number)])
    }

    /// Rows of it have ended: `expires` is when the first of the others does, `nil` when none lives.
    mutating func keep(_ number: Int64, until expires: Double?) throws(LedgerError) {
        if let expires {
            return try database.run(
                "UPDATE shipments SET expires = ?1 WHERE number = ?2 AND expires IS NOT ?1",
                [.real(expires), .integer(number)])
        }
        let size = try database.first(
            "SELECT \(Database.size) FROM shipments WHERE number = ? AND due IS NOT NULL", [.integer(number)]
        ) { $0.integer(0) }
        try database.run("UPDATE shipments SET due = NULL, held = NULL, size = 0 WHERE number = ?", [.integer(number)])
        try database.run("DELETE FROM shipment_body WHERE number = ?", [.integer(number)])
        bytes -= size ?? 0
    }
}

private let head = """
    SELECT number, sender, receiver, grp, sn, digest, signature, type, time, attempts, due, signed, priority, held
    FROM shipments
    """

extension Shipment {
    fileprivate init(_ row: SQLStatement) throws(LedgerError) {
        self.init(
            number: row.count(0), sender: try row.id(1), receiver: try row.id(2), sn: row.optionalInteger(4),
            digest: row.blob(5), signature: row.blob(6), type: row.optionalInteger(7), time: row.optionalReal(8),
            group: row.readableID(3), wantsSignedReceipt: row.flag(11), attempts: row.count(9),
            due: row.optionalReal(10), priority: Priority(rank: row.integer(12)) ?? .normal, isHeld: !row.isNull(13))
    }

    /// The column: empty, or whether it was sent before it came to wait.
    fileprivate var held: SQLValue { isHeld ? .integer(attempts > 0 ? 2 : 1) : .null }
}
