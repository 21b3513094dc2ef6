import DIMP
import Records

/// Pipes (`pipes`), some hundreds at the most, and what came by them and was not taken (`pipe_pieces`).
struct PipeTable {
    /// The earliest `due`.
    private(set) var nextDue: Double?

    private let database: Database

    /// Pipes that are over and remembered, so that what comes late for them is known as such.
    private static let remembered: Int64 = 256

    init(_ database: Database) throws(LedgerError) {
        self.database = database
        try findNextDue()
    }

    func row(_ key: PipeRecord.PipeKey) throws(LedgerError) -> PipeRecord? {
        try database.first("\(select)WHERE owner = ? AND peer = ? AND name = ?", values(key), PipeRecord.init)
    }

    func row(output stream: String) throws(LedgerError) -> PipeRecord? {
        try database.first("\(select)WHERE output = ?", [.text(stream)], PipeRecord.init)
    }

    func rows() throws(LedgerError) -> [PipeRecord] {
        try database.rows("\(select)ORDER BY number", [], PipeRecord.init)
    }

    /// Those that are not over: of two identities, and of all.
    func openCounts(owner: Address, peer: Address) throws(LedgerError) -> (ofPeer: Int64, all: Int64) {
        let sql = "SELECT coalesce(sum(owner = ? AND peer = ?), 0), count(*) FROM pipes WHERE state <> 'over'"
        return try database.first(sql, [.address(owner), .address(peer)]) { ($0.integer(0), $0.integer(1)) } ?? (0, 0)
    }

    /// Inserts, or replaces the one with this key. What was taken goes with it.
    mutating func put(_ row: PipeRecord) throws(LedgerError) {
        try database.run(
            """
            INSERT INTO pipes (owner, peer, name, own_id, peer_id, state, error, output, written, output_taken, output_end,
                input, input_taken, input_end, told, untold, earlier, due, last_output, last_error,
                last_input, last_taken)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (owner, peer, name) DO UPDATE SET own_id = excluded.own_id, peer_id = excluded.peer_id,
                state = excluded.state, error = excluded.error, output = excluded.output, written = excluded.written,
                output_taken = excluded.output_taken, output_end = excluded.output_end, input = excluded.input,
                input_taken = excluded.input_taken, input_end = excluded.input_end, told = excluded.told,
                untold = excluded.untold, earlier = excluded.earlier, due = excluded.due,
                last_output = excluded.last_output, last_error = excluded.last_error,
                last_input = excluded.last_input, last_taken = excluded.last_taken
            """,
            values(row.key) + [
                .id(row.owner), .id(row.peer), .text(row.state.rawValue), SQLValue(row.error),
                SQLValue(row.output.stream), .integer(row.written), .integer(row.output.taken),
                SQLValue(row.output.end), SQLValue(row.input.stream), .integer(row.input.taken),
                SQLValue(row.input.end), .integer(row.told), .flag(row.isUntold), SQLValue(row.earlier),
                SQLValue(row.due), SQLValue(row.last?.stream), SQLValue(row.last?.error),
                SQLValue(row.last?.input), SQLValue(row.last?.taken),
            ])
        let isOver = row.state == .over
        try database.run(
            """
            DELETE FROM pipe_pieces
            WHERE pipe = (SELECT number FROM pipes WHERE owner = ? AND peer = ? AND name = ?) AND n < ?
            """, values(row.key) + [.integer(isOver ? .max : row.input.taken)])
        if isOver { try forgetOldest() }
        try findNextDue()
    }

    private func forgetOldest() throws(LedgerError) {
        let sql = "SELECT owner, peer, name FROM pipes WHERE state = 'over' ORDER BY due DESC LIMIT -1 OFFSET ?"
        let old = try database.rows(sql, [.integer(Self.remembered)]) { row throws(LedgerError) in
            PipeRecord.PipeKey(owner: try row.address(0), peer: try row.address(1), name: row.text(2))
        }
        for key in old { try remove(key) }
    }

    mutating func forget(_ key: PipeRecord.PipeKey) throws(LedgerError) {
        try remove(key)
        try findNextDue()
    }

    private func remove(_ key: PipeRecord.PipeKey) throws(LedgerError) {
        try database.run(
            "DELETE FROM pipe_pieces WHERE pipe = (SELECT number FROM pipes WHERE owner = ? AND peer = ? AND name = ?)",
            values(key))
        try database.run("DELETE FROM pipes WHERE owner = ? AND peer = ? AND name = ?", values(key))
    }

    private mutating func findNextDue() throws(LedgerError) {
        nextDue = try database.first("SELECT min(due) FROM pipes WHERE due IS NOT NULL") { $0.optionalReal(0) } ?? nil
    }

    // MARK: - Pieces

    /// The first of each number stays.
    func add(_ piece: PipePiece) throws(LedgerError) {
        try database.run(
            """
            INSERT OR IGNORE INTO pipe_pieces (pipe, n, data)
                SELECT number, ?, ? FROM pipes WHERE owner = ? AND peer = ? AND name = ?
            """, [.integer(piece.number), .blob(piece.data)] + values(piece.pipe))
    }

    func piece(_ number: Int64, of pipe: PipeRecord.PipeKey) throws(LedgerError) -> PipePiece? {
        try database.first(
            """
            SELECT data FROM pipe_pieces
            WHERE pipe = (SELECT number FROM pipes WHERE owner = ? AND peer = ? AND name = ?) AND n = ?
            """, values(pipe) + [.integer(number)]
        ) { PipePiece(pipe: pipe, number: number, data: $0.blob(0)) }
    }

    private func values(_ key: PipeRecord.PipeKey) -> [SQLValue] {
        [.address(key.owner), .address(key.peer), .text(key.name)]
    }
}

private let select = """
    SELECT owner, peer, name, own_id, peer_id, state, error, output, written, output_taken, output_end, input, input_taken,
        input_end, told, untold, earlier, due, last_output, last_error, last_input, last_taken FROM pipes\u{20}
    """

extension PipeRecord {
    fileprivate init(_ row: SQLStatement) throws(LedgerError) {
        guard let state = State(rawValue: row.text(5)) else { throw row.damage(5, "state") }
        self.init(
            key: PipeKey(owner: try row.address(0), peer: try row.address(1), name: row.text(2)), owner: try row.id(3),
            peer: try row.id(4), state: state)
        error = row.optionalText(6)
        output.stream = row.optionalText(7)
        written = row.count(8)
        output.taken = row.count(9)
        output.end = row.optionalCount(10)
        input.stream = row.optionalText(11)
        input.taken = row.count(12)
        input.end = row.optionalCount(13)
        told = row.count(14)
        isUntold = row.flag(15)
        earlier = row.optionalText(16)
        due = row.optionalReal(17)
        last = row.optionalText(18).map {
            Last(stream: $0, error: row.optionalText(19), input: row.optionalText(20), taken: row.count(21))
        }
    }
}
