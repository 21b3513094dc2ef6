import Records

/// What waits for its way over a bridge: table `bridged`.
struct BridgeTable {
    private struct BridgedLine: Hashable {
        var bridge: String
        var direction: BridgedMessage.Way
    }

    /// Rows and bytes of each line that has rows.
    private var sizes: [BridgedLine: (count: Int64, bytes: Int64)]
    private let database: Database

    /// Bytes of rows that are read at once: the last of them may exceed it.
    private static let portion: Int64 = 1 << 20

    init(_ database: Database) throws(LedgerError) {
        self.database = database
        let sql =
            "SELECT bridge, inward, count(*), coalesce(sum(\(Database.size)), 0) FROM bridged GROUP BY bridge, inward"
        let found = try database.rows(sql) { row in
            (
                BridgedLine(bridge: row.text(0), direction: row.flag(1) ? .inward : .out),
                (row.integer(2), row.integer(3))
            )
        }
        sizes = Dictionary(found, uniquingKeysWith: { first, _ in first })
    }

    var bridges: [String] { Array(Set(sizes.keys.lazy.map(\.bridge))) }

    func size(_ bridge: String, _ direction: BridgedMessage.Way) -> (count: Int64, bytes: Int64) {
        sizes[BridgedLine(bridge: bridge, direction: direction)] ?? (0, 0)
    }

    func ready(
        _ bridge: String, _ direction: BridgedMessage.Way, limit: Int
    ) throws(LedgerError) -> [BridgedMessage] {
        var left = Self.portion
        let sql = "\(select)WHERE bridge = ? AND inward = ? AND ready = 1 ORDER BY place LIMIT ?"
        return try database.rows(
            sql, [.text(bridge), .flag(direction == .inward), .count(limit)], BridgedMessage.init
        ) { row in
            left -= row.size
            return left > 0
        }
    }

    func row(_ place: Int64) throws(LedgerError) -> BridgedMessage? {
        try database.first("\(select)WHERE place = ?", [.integer(place)], BridgedMessage.init)
    }

    func newest(
        _ bridge: String, _ direction: BridgedMessage.Way, topic: String
    ) throws(LedgerError) -> BridgedMessage? {
        try database.first(
            "\(select)WHERE bridge = ? AND inward = ? AND topic = ? ORDER BY place DESC LIMIT 1",
            [.text(bridge), .flag(direction == .inward), .text(topic)], BridgedMessage.init)
    }

    func sent() throws(LedgerError) -> [BridgedMessage] {
        try database.rows("\(select)WHERE sent IS NOT NULL ORDER BY place", [], BridgedMessage.init)
    }

    mutating func put(_ row: BridgedMessage) throws(LedgerError) {
        let old = row.place > 0 ? try sizeOfRow(row.place) : nil
        let values: [SQLValue] = [
            .text(row.bridge), .flag(row.direction == .inward), .text(row.topic), .blob(row.payload),
            .integer(row.qos), .flag(row.isRetained), .integer(row.version), SQLValue(row.sent),
            try isReady(row) ? .integer(1) : .null, .integer(row.size),
        ]
        if old != nil {
            try database.run(
                """
                UPDATE bridged SET bridge = ?, inward = ?, topic = ?, payload = ?, qos = ?, retained = ?, version = ?,
                    sent = ?, ready = ?, size = ? WHERE place = ?
                """, values + [.integer(row.place)])
        } else {
            try database.run(
                """
                INSERT INTO bridged (bridge, inward, topic, payload, qos, retained, version, sent, ready, size)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """, values)
        }
        add(old == nil ? 1 : 0, row.size - (old ?? 0), to: BridgedLine(bridge: row.bridge, direction: row.direction))
    }

    private func isReady(_ row: BridgedMessage) throws(LedgerError) -> Bool {
        guard row.direction == .out else { return true }
        guard row.sent == nil else { return false }
        let before = row.place > 0 ? "AND place < ? " : ""
        let place = row.place > 0 ? [SQLValue.integer(row.place)] : []
        return try database.first(
            "SELECT 1 FROM bridged WHERE bridge = ? AND inward = 0 AND topic = ? \(before)LIMIT 1",
            [.text(row.bridge), .text(row.topic)] + place
        ) { $0.integer(0) } == nil
    }

    private func sizeOfRow(_ place: Int64) throws(LedgerError) -> Int64? {
        try database.first("SELECT \(Database.size) FROM bridged WHERE place = ?", [.integer(place)]) { $0.integer(0) }
    }

    /// Removes it; the next of its topic is ready.
    mutating func end(_ place: Int64) throws(LedgerError) {
        guard let row = try row(place) else { return }
        let bytes = try sizeOfRow(place) ?? 0
        try database.run("DELETE FROM bridged WHERE place = ?", [.integer(place)])
        add(-1, -bytes, to: BridgedLine(bridge: row.bridge, direction: row.direction))
        guard row.direction == .out else { return }
        try database.run(
            """
            UPDATE bridged SET ready = 1 WHERE sent IS NULL AND place =
                (SELECT min(place) FROM bridged WHERE bridge = ? AND inward = 0 AND topic = ?)
            """, [.text(row.bridge), .text(row.topic)])
    }

    mutating func forget(_ bridge: String) throws(LedgerError) {
        try database.run("DELETE FROM bridged WHERE bridge = ?", [.text(bridge)])
        for direction in [BridgedMessage.Way.out, .inward] {
            sizes[BridgedLine(bridge: bridge, direction: direction)] = nil
        }
    }

    private mutating func add(_ count: Int64, _ bytes: Int64, to line: BridgedLine) {
        let size = sizes[line] ?? (0, 0)
        sizes[line] = size.count + count > 0 ? (size.count + count, size.bytes + bytes) : nil
    }
}

private let select = "SELECT place, bridge, inward, topic, payload, qos, retained, version, sent FROM bridged "

extension BridgedMessage {
    fileprivate init(_ row: SQLStatement) {
        self.init(
            place: row.integer(0), bridge: row.text(1), direction: row.flag(2) ? .inward : .out, topic: row.text(3),
            payload: row.blob(4), qos: row.integer(5), isRetained: row.flag(6), version: row.count(7),
            sent: row.optionalCount(8))
    }
}
