import DIMP
import Format
import Records

/// Calls: those made here (`calls`), those that this board made (`callings`) with their answers (`call_answers`), and the
/// newest lines of the audit (`call_audit`).
struct CallTable {
    /// Rows of `calls`, and the bytes of their answers.
    private(set) var size: (count: Int64, bytes: Int64)
    /// Lines were written that the audit's file may not have.
    private(set) var hasNewLines: Bool

    private let database: Database

    /// Bytes of answers that are kept; of more the oldest are forgotten, but not that there was a call.
    private static let answerBytes: Int64 = 16 << 20
    /// Answers to one call of this board's, and the bytes of all of them.
    private static let parts: Int64 = 4_096
    private static let partBytes: Int64 = 16 << 20
    private static let finalBytes: Int64 = 1 << 20
    /// Lines of the audit that stay here, for a file that cannot be written for a while.
    private static let keptLines: Int64 = 1_000

    init(_ database: Database) throws(LedgerError) {
        self.database = database
        size =
            try database.first("SELECT count(*), coalesce(sum(\(Database.size)), 0) FROM calls") {
                ($0.integer(0), $0.integer(1))
            } ?? (0, 0)
        hasNewLines = true
    }

    // MARK: - Made here

    func row(_ key: ServedCall.Name) throws(LedgerError) -> ServedCall? {
        try database.first(
            "\(select)WHERE caller = ? AND call = ?", [.id(key.caller), .text(key.call)], ServedCall.init)
    }

    func count(of caller: ID) throws(LedgerError) -> Int64 {
        try database.first("SELECT count(*) FROM calls WHERE caller = ?", [.id(caller)]) { $0.integer(0) } ?? 0
    }

    /// Those without an answer, the oldest first.
    func begun() throws(LedgerError) -> [ServedCall] {
        try database.rows("\(select)WHERE answer IS NULL ORDER BY number", [], ServedCall.init)
    }

    func answered(deadlineAfter time: Double) throws(LedgerError) -> [ServedCall] {
        try database.rows(
            "\(select)WHERE deadline > ? AND answer IS NOT NULL ORDER BY deadline DESC LIMIT 256", [.real(time)],
            ServedCall.init)
    }

    /// Inserts, or replaces the one of this caller and name.
    mutating func put(_ row: ServedCall) throws(LedgerError) {
        let key: [SQLValue] = [.id(row.key.caller), .text(row.key.call)]
        let bytes = Int64(row.answer?.utf8.count ?? 0)
        let old = try database.first("SELECT \(Database.size) FROM calls WHERE caller = ? AND call = ?", key) {
            $0.integer(0)
        }
        try database.run(
            """
            INSERT INTO calls (caller, call, owner, command, deadline, answer, size) VALUES (?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (caller, call) DO UPDATE SET answer = excluded.answer, size = excluded.size
            """,
            key + [
                .id(row.owner), .text(row.command), .real(row.deadline), SQLValue(row.answer), .integer(bytes),
            ])
        size.count += old == nil ? 1 : 0
        size.bytes += bytes - (old ?? 0)
        try bound()
    }

    private mutating func bound() throws(LedgerError) {
        while size.bytes > Self.answerBytes {
            let gone = try database.rows(
                """
                UPDATE calls SET answer = ?, size = 0
                WHERE number IN (SELECT number FROM calls WHERE size > 0 ORDER BY number LIMIT 16)
                RETURNING call
                """,
                [
                    .text(
                        #"{"app":"culver","mod":"reply","part":0,"status":75,"output":"","error":"answer-gone","final":true}"#
                    )
                ]
            ) { $0.text(0) }
            guard !gone.isEmpty else { return }
            size.bytes =
                try database.first("SELECT coalesce(sum(\(Database.size)), 0) FROM calls WHERE size > 0") {
                    $0.integer(0)
                } ?? 0
        }
    }

    // MARK: - Made by this board

    func calling(_ call: String) throws(LedgerError) -> Calling? {
        let sql = "SELECT call, sender, receiver, request, deadline FROM callings WHERE call = ?"
        return try database.first(sql, [.text(call)]) { row throws(LedgerError) in
            Calling(
                call: row.text(0), sender: try row.id(1), receiver: try row.id(2), request: row.text(3),
                deadline: row.real(4))
        }
    }

    func put(_ row: Calling) throws(LedgerError) {
        try database.run(
            "INSERT OR REPLACE INTO callings (call, sender, receiver, request, deadline) VALUES (?, ?, ?, ?, ?)",
            [.text(row.call), .id(row.sender), .id(row.receiver), .text(row.request), .real(row.deadline)])
    }

    /// The last one has a place, and the bytes of a message, of its own.
    func hasRoom(for answer: CallAnswer, isFinal: Bool) throws(LedgerError) -> Bool {
        let sql = "SELECT count(*), coalesce(sum(length(answer)), 0) FROM call_answers WHERE call = ?"
        let (count, bytes) = try database.first(sql, [.text(answer.call)]) { ($0.integer(0), $0.integer(1)) } ?? (0, 0)
        let (parts, most) = isFinal ? (1, Self.finalBytes) : (0, Int64(0))
        return count < Self.parts - 1 + Int64(parts) && bytes + Int64(answer.text.utf8.count) <= Self.partBytes + most
    }

    /// The first of a part stays.
    func put(_ answer: CallAnswer) throws(LedgerError) {
        try database.run(
            "INSERT OR IGNORE INTO call_answers (call, sender, part, answer) VALUES (?, ?, ?, ?)",
            [.text(answer.call), .id(answer.sender), .integer(answer.part), .text(answer.text)])
    }

    /// Who has answered, sorted.
    func answerers(of call: String) throws(LedgerError) -> [ID] {
        let sql = "SELECT DISTINCT sender FROM call_answers WHERE call = ? ORDER BY sender"
        return try database.rows(sql, [.text(call)]) { row throws(LedgerError) in try row.id(0) }
    }

    /// The first of one board from this part on.
    func answer(to call: String, of sender: ID, from part: Int64) throws(LedgerError) -> CallAnswer? {
        try database.first(
            """
            SELECT call, sender, part, answer FROM call_answers
            WHERE call = ? AND part >= ? AND sender = ? ORDER BY part LIMIT 1
            """, [.text(call), .integer(part), .id(sender)], CallAnswer.init)
    }

    func lastAnswer(to call: String, of sender: ID) throws(LedgerError) -> CallAnswer? {
        try database.first(
            """
            SELECT call, sender, part, answer FROM call_answers
            WHERE call = ? AND sender = ? ORDER BY part DESC LIMIT 1
            """, [.text(call), .id(sender)], CallAnswer.init)
    }

    // MARK: - Audit

    func lastLine() throws(LedgerError) -> AuditLine? {
        try database.first("SELECT line FROM call_audit ORDER BY n DESC LIMIT 1") { AuditLine($0.text(0)) } ?? nil
    }

    func line(_ number: Int64) throws(LedgerError) -> AuditLine? {
        try database.first("SELECT line FROM call_audit WHERE n = ?", [.integer(number)]) { AuditLine($0.text(0)) }
            ?? nil
    }

    mutating func add(_ line: AuditLine) throws(LedgerError) {
        try database.run("INSERT INTO call_audit (n, line) VALUES (?, ?)", [.integer(line.number), .text(line.text)])
        try database.run("DELETE FROM call_audit WHERE n <= ?", [.integer(line.number - Self.keptLines)])
        hasNewLines = true
    }

    func lines(after number: Int64) throws(LedgerError) -> [AuditLine] {
        let found = try database.rows("SELECT line FROM call_audit WHERE n > ? ORDER BY n", [.integer(number)]) {
            AuditLine($0.text(0))
        }
        return found.compactMap { $0 }
    }

    /// The file has them.
    mutating func linesAreWritten() { hasNewLines = false }

    // MARK: - Age

    /// What nobody can ask for any more. `wall`: what had its deadline before it.
    mutating func prune(before wall: Double) throws(LedgerError) {
        let gone = try database.rows(
            "DELETE FROM calls WHERE deadline < ? AND answer IS NOT NULL RETURNING \(Database.size)", [.real(wall)]
        ) { $0.integer(0) }
        size.count -= Int64(gone.count)
        size.bytes -= gone.reduce(0, +)
        let callings = try database.rows("DELETE FROM callings WHERE deadline < ? RETURNING call", [.real(wall)]) {
            $0.text(0)
        }
        for call in callings { try database.run("DELETE FROM call_answers WHERE call = ?", [.text(call)]) }
    }
}

private let select = "SELECT caller, call, owner, command, deadline, answer FROM calls "

extension ServedCall {
    fileprivate init(_ row: SQLStatement) throws(LedgerError) {
        self.init(
            key: Name(caller: try row.id(0), call: row.text(1)), owner: try row.id(2), command: row.text(3),
            deadline: row.real(4), answer: row.optionalText(5))
    }
}

extension CallAnswer {
    fileprivate init(_ row: SQLStatement) throws(LedgerError) {
        self.init(call: row.text(0), sender: try row.id(1), part: row.integer(2), text: row.text(3))
    }
}
