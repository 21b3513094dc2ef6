import DIMP
import Records

/// What was accepted for the own identities: table `inbox`. A row leaves when every consumer has read it and room or age
/// asks for that.
struct InboxTable {
    /// Running sums, so that an arrival does not have to count.
    private(set) var size: (count: Int64, bytes: Int64)
    /// The highest `seq` ever given, of rows that are gone too; 0 before the first.
    private(set) var newest: Int64
    /// The rows that were written since the news were taken.
    private(set) var arrived: [Int64] = []
    /// The inbox was found full of unread rows, and no consumer has read since.
    private(set) var isStuck = false {
        didSet { if !isStuck { slowest = nil } }
    }

    /// When the sender of the first row that still counts gives it up, in seconds since 1970; `nil` when none does.
    private(set) var nextExpiry: Double?
    /// There are rows that were given up.
    private(set) var hasExpired: Bool

    private let database: Database
    /// The consumer that is furthest behind, while the inbox is stuck: every message that is refused asks for it.
    private var slowest: String??

    init(_ database: Database) throws(LedgerError) {
        self.database = database
        size =
            try database.first("SELECT count(*), coalesce(sum(\(Database.size)), 0) FROM inbox") {
                ($0.integer(0), $0.integer(1))
            } ?? (0, 0)
        nextExpiry = try Self.nextExpiry(database)
        hasExpired = try database.first("SELECT 1 FROM inbox WHERE expires < 0 LIMIT 1") { _ in true } ?? false
        newest = try database.first("SELECT seq FROM sqlite_sequence WHERE name = 'inbox'") { $0.count(0) } ?? 0
    }

    private static func nextExpiry(_ database: Database) throws(LedgerError) -> Double? {
        try database.first("SELECT min(expires) FROM inbox WHERE expires > 0") { $0.optionalReal(0) } ?? nil
    }

    /// What was given up until now is marked, so that no question has to know the time.
    mutating func expire(at wall: Double) throws(LedgerError) {
        try database.run("UPDATE inbox SET expires = -expires WHERE expires > 0 AND expires <= ?", [.real(wall)])
        hasExpired = true
        nextExpiry = try Self.nextExpiry(database)
    }

    /// The rows that were written since the last call, by `seq`.
    mutating func takeArrived() -> [Int64] {
        defer { arrived = [] }
        return arrived
    }

    /// Room for so many rows with so many bytes of content. An empty inbox has it: a limit that is smaller than one batch
    /// would else keep that batch out for ever.
    func hasRoom(for rows: Int, bytes: Int64, within limits: StoreLimits) -> Bool {
        size.count == 0
            || (size.count + Int64(rows) <= limits.inboxRows && size.bytes + bytes <= limits.inboxBytes)
    }

    /// Drops what every consumer has read; says whether there is room now. When there is none, the inbox is stuck.
    mutating func makeRoom(for rows: Int, bytes: Int64, within limits: StoreLimits) throws(LedgerError) -> Bool {
        while !hasRoom(for: rows, bytes: bytes, within: limits) {
            guard try dropRead(for: rows, bytes: bytes, within: limits) else {
                isStuck = true
                return false
            }
        }
        isStuck = false
        return true
    }

    /// A consumer may have read, so a full inbox is worth another search.
    mutating func unstick() {
        isStuck = false
    }

    /// The consumer that is furthest behind; `nil` when no row waits for one.
    mutating func laggard() throws(LedgerError) -> String? {
        if let slowest { return slowest }
        let sql = """
            SELECT name FROM consumers c WHERE EXISTS (SELECT 1 FROM inbox WHERE \(InboxFilter.isPending))
            ORDER BY cursor, name LIMIT 1
            """
        let found = try database.first(sql) { $0.text(0) }
        if isStuck { slowest = .some(found) }
        return found
    }

    /// Rows by `seq`, from `start` on; without it the newest `limit`. Ends with the row whose content makes them
    /// `bytes` or more.
    func rows(start: Int64?, limit: Int, filter: InboxFilter, bytes: Int) throws(LedgerError) -> [Incoming] {
        let from = start == nil ? "seq > ? ORDER BY seq DESC" : "seq >= ? ORDER BY seq"
        let sql = "\(select)WHERE \(filter.condition)\(from) LIMIT ?"
        var left = bytes
        let values = filter.given + [.integer(start ?? 0), .count(limit)]
        let found = try database.rows(sql, values, Incoming.init) { row in
            left -= row.content.utf8.count
            return left > 0
        }
        return start == nil ? found.reversed() : found
    }

    /// Rows for a consumer, with a greater `seq` than `after`, up to `last`. Ends with the row whose content makes them `bytes` or more.
    func rows(
        after: Int64, upTo last: Int64, limit: Int, filter: InboxFilter, bytes: Int
    ) throws(LedgerError) -> [Incoming] {
        let sql =
            "\(select)WHERE \(filter.condition)seq > ? AND seq <= ? AND \(InboxFilter.isAlive) ORDER BY seq LIMIT ?"
        let values = filter.given + [.integer(after), .integer(last), .count(limit)]
        var left = bytes
        return try database.rows(sql, values, Incoming.init) { row in
            left -= row.content.utf8.count
            return left > 0
        }
    }

    func row(seq: Int64) throws(LedgerError) -> Incoming? {
        try database.first("\(select)WHERE seq = ?", [.integer(seq)], Incoming.init)
    }

    /// The newest with this message id: the senders choose ids, and one may stand twice.
    func row(id: String) throws(LedgerError) -> Incoming? {
        try database.first("\(select)WHERE id = ? ORDER BY seq DESC LIMIT 1", [.text(id)], Incoming.init)
    }

    /// How many rows with a greater `seq` than `after` are still for a consumer with this filter. Counts them.
    func count(after: Int64, filter: InboxFilter) throws(LedgerError) -> Int64 {
        guard filter != InboxFilter() else { return try count(after: after, upTo: .max) }
        let sql = "SELECT count(*) FROM inbox WHERE \(filter.condition)seq > ? AND \(InboxFilter.isAlive)"
        return try database.first(sql, filter.given + [.integer(after)]) { $0.integer(0) } ?? 0
    }

    /// How many rows with a greater `seq` than `after`, up to `last`, are still for a consumer.
    func count(after: Int64, upTo last: Int64) throws(LedgerError) -> Int64 {
        let sql = "SELECT count(*) FROM inbox WHERE seq > ? AND seq <= ?"
        let all = try database.first(sql, [.integer(after), .integer(last)]) { $0.integer(0) } ?? 0
        guard hasExpired else { return all }
        // Few have expired, and an index of their own knows them.
        let expired = try database.first("\(sql) AND expires < 0", [.integer(after), .integer(last)]) { $0.integer(0) }
        return all - (expired ?? 0)
    }

    /// The last row of a bounded run that begins after `after`; 0 when there is none.
    func endOfRun(after: Int64) throws(LedgerError) -> Int64 {
        let sql = "SELECT max(seq) FROM (SELECT seq FROM inbox WHERE seq > ? ORDER BY seq LIMIT 2000)"
        return try database.first(sql, [.integer(after)]) { $0.integer(0) } ?? 0
    }

    /// The first row with a greater `seq` than `after`, up to `last`, that the filter takes.
    func first(after: Int64, upTo last: Int64, filter: InboxFilter) throws(LedgerError) -> Int64? {
        let sql = """
            SELECT seq FROM inbox WHERE \(filter.condition)seq > ? AND seq <= ? AND \(InboxFilter.isAlive)
            ORDER BY seq LIMIT 1
            """
        return try database.first(sql, filter.given + [.integer(after), .integer(last)]) { $0.integer(0) }
    }

    mutating func add(_ row: Incoming) throws(LedgerError) {
        let bytes = Int64(row.content.utf8.count)
        try database.run(
            """
            INSERT INTO inbox (id, sn, sender, receiver, grp, time, received, type, sealed, encrypted, trust, size, content,
                subject, expires)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                .text(row.id), .integer(row.sn), .id(row.sender), .id(row.receiver), SQLValue(row.group),
                .real(row.time), .real(row.received), .integer(row.type), .flag(row.sealed), .flag(row.encrypted),
                .text(row.trust.rawValue), .integer(bytes), .text(row.content), SQLValue(row.subject),
                SQLValue(row.expires),
            ])
        if let expires = row.expires, expires > 0 { nextExpiry = min(nextExpiry ?? expires, expires) }
        newest = database.lastRow
        arrived.append(newest)
        size.count += 1
        size.bytes += bytes
    }

    /// Removes a portion of the rows that arrived before this and that every consumer has read; says whether there may
    /// be more.
    mutating func prune(before wall: Double) throws(LedgerError) -> Bool {
        let old = """
            SELECT seq FROM inbox WHERE received > 0 AND received < ? AND \(InboxFilter.isPassed)
            AND NOT EXISTS (SELECT 1 FROM consumers c WHERE \(InboxFilter.isPending)) ORDER BY received LIMIT ?
            """
        let portion = Database.portion
        return try drop("seq IN (\(old))", values: [.real(wall), .integer(portion)]) == portion
    }

    /// The oldest thousand that every consumer has read, or as many of them as leave a hundredth free beside this: so a
    /// full inbox is not searched at each arrival. Where there is no consumer, nothing has been read. Says whether there
    /// was any.
    private mutating func dropRead(
        for rows: Int, bytes: Int64, within limits: StoreLimits
    ) throws(LedgerError) -> Bool {
        let isRead = """
            EXISTS (SELECT 1 FROM consumers) AND \(InboxFilter.isPassed)
            AND NOT EXISTS (SELECT 1 FROM consumers c WHERE \(InboxFilter.isPending))
            """
        let read = try database.rows(
            "SELECT seq, \(Database.size) FROM inbox WHERE \(isRead) ORDER BY seq LIMIT 1000"
        ) {
            (seq: $0.integer(0), size: $0.integer(1))
        }
        var left = (count: size.count + Int64(rows), bytes: size.bytes + bytes)
        let enough = read.first { row in
            left.count -= 1
            left.bytes -= row.size
            return left.count <= limits.inboxRows - limits.inboxRows / 100
                && left.bytes <= limits.inboxBytes - limits.inboxBytes / 100
        }
        guard let last = (enough ?? read.last)?.seq else { return false }
        return try drop("seq <= ? AND \(isRead)", values: [.integer(last)]) > 0
    }

    @discardableResult
    private mutating func drop(_ condition: String, values: [SQLValue]) throws(LedgerError) -> Int64 {
        let sql = "DELETE FROM inbox WHERE \(condition) RETURNING \(Database.size)"
        let sizes = try database.rows(sql, values) { $0.integer(0) }
        size.count -= Int64(sizes.count)
        size.bytes -= sizes.reduce(0, +)
        return Int64(sizes.count)
    }
}

private let select = """
    SELECT seq, id, sn, sender, receiver, grp, time, received, content, type, sealed, encrypted, trust,
        subject, expires FROM inbox 
    """

extension Incoming {
    fileprivate init(_ row: SQLStatement) throws(LedgerError) {
        self.init(
            seq: row.count(0), id: row.text(1), sn: row.integer(2), sender: try row.id(3),
            receiver: try row.id(4),
            group: try row.optionalID(5), time: row.real(6), received: row.real(7), content: row.text(8),
            type: row.integer(9), sealed: row.flag(10), encrypted: row.flag(11),
            trust: Contact.Trust(rawValue: row.text(12)) ?? .stranger, subject: row.optionalText(13),
            expires: row.optionalReal(14))
    }
}
