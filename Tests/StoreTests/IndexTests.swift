import Records
import Testing

@testable import Store

/// That no question of the loop walks through a whole table, as SQLite itself plans it.
@Suite struct IndexTests {
    @Test(
        "every question of the ledger is answered by an index",
        arguments: [
            "SELECT * FROM outbox WHERE id = ?",
            "SELECT * FROM outbox o WHERE o.sender = ? AND o.receiver = ? AND o.ref = ? ORDER BY o.ord LIMIT 1",
            "SELECT * FROM outbox o WHERE o.digest = ? ORDER BY o.ord LIMIT 1",
            "SELECT * FROM outbox o WHERE o.sn = ? ORDER BY o.ord DESC LIMIT 8",
            "SELECT ord FROM outbox WHERE living = 1 AND due IS NOT NULL AND due <= ? ORDER BY ord LIMIT ?",
            "SELECT * FROM outbox o WHERE o.state = 'waiting' AND o.receiver = ? ORDER BY o.ord LIMIT ?",
            "SELECT min(due) FROM outbox WHERE living = 1 AND due IS NOT NULL",
            "SELECT created FROM outbox WHERE living = 1 AND receiver = ? ORDER BY ord LIMIT 1",
            "SELECT count(*), coalesce(sum(size), 0) FROM outbox WHERE living = 1",
            "SELECT ord FROM outbox WHERE state = ? AND ord >= ? ORDER BY ord LIMIT ?",
            "UPDATE outbox SET ended_lived = ? WHERE living = 0 AND ended_lived IS NULL",
            "SELECT * FROM inbox WHERE sender = ? AND seq > ? ORDER BY seq DESC LIMIT ?",
            "SELECT * FROM inbox WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
            "DELETE FROM inbox WHERE received > 0 AND received < ?",
            "SELECT * FROM seen WHERE owner = ? AND sender = ? AND digest = ?",
            "SELECT * FROM seen WHERE owner = ? AND sender = ? AND content_digest = ? ORDER BY number LIMIT 1",
            "DELETE FROM seen WHERE time < ?",
            "SELECT * FROM parked WHERE verified = ? AND address = ? ORDER BY number LIMIT ?",
            "DELETE FROM parked WHERE since < ?",
            "SELECT * FROM happenings WHERE kind = ? AND time > ? AND time <= ? ORDER BY n DESC LIMIT 1",
        ])
    func indexed(sql: String) throws {
        let scratch = try Scratch()
        let plan = try scratch.open().database.rows("EXPLAIN QUERY PLAN \(sql)") { $0.text(3) }
        #expect(!plan.isEmpty)
        #expect(plan.allSatisfy { !$0.hasPrefix("SCAN") || $0.contains("INDEX") }, "\(plan)")
    }

    @Test("owed receipts are read from their own index, which holds only them")
    func owed() throws {
        let scratch = try Scratch()
        let sql = "EXPLAIN QUERY PLAN SELECT * FROM seen WHERE owed = 1 ORDER BY number LIMIT ?"
        let plan = try scratch.open().database.rows(sql) { $0.text(3) }
        #expect(plan.contains { $0.contains("seen_owed") }, "\(plan)")
    }
}
