import Glibc
package import Records

/// Everything that is written down about messages, in one SQLite file (culver.conf(5)).
///
/// Changes are applied as they come, seen by every read at once, and become durable together in `commit()`; after a
/// failure of `apply` or `commit` nothing of the turn remains and the store can be used again.
///
/// `@unchecked Sendable`: one thread at a time, the loop between commits, the store's queue during one.
package final class MessageStore: Ledger, @unchecked Sendable {
    /// What was wrong with the file found at start, and where it was moved; `nil` when it was sound or new.
    package let damage: String?
    /// To be changed by the loop alone, in a turn.
    package var limits: StoreLimits
    /// A transaction is open and waits for `commit()`.
    package private(set) var hasChanges = false
    /// The inbox rows and happenings written since `takeNews()`. Tell nobody before they are committed.
    package internal(set) var arrived: [Int64] = []
    package internal(set) var written: [EventRecord] = []

    let database: Database
    var totals: Totals
    var counts = Counts()
    /// What the open transaction adds to the table of peers.
    var tallies: [String: Tally] = [:]
    /// Happenings with a greater `n` are of this run.
    let firstHappening: Int64
    /// The inbox was found full of unread rows, and nobody has read since.
    var isStuck = false {
        didSet { if !isStuck { slowest = nil } }
    }
    /// Who is furthest behind, while the inbox is stuck: every message that is refused asks for it.
    var slowest: String??
    private var before = Snapshot()

    /// Running sums, so that neither a send nor an arrival has to count.
    struct Totals: Equatable {
        var outboxRows = 0
        var outboxBytes = 0
        var inboxRows = 0
        var inboxBytes = 0
    }

    /// What has happened since the file was opened.
    struct Counts {
        var parking = ParkingCount()
        /// Like ones each.
        var happenings: [EventRecord.Kind: Int64] = [:]
    }

    private struct Snapshot {
        var totals = Totals()
        var counts = Counts()
        var arrived = 0
        var written: [EventRecord] = []
    }

    /// Opens the file, makes it when there is none, brings its tables up to date. A damaged file is moved aside with
    /// its log and an empty one takes its place. Fails when the file cannot be made or a newer culver made it.
    package init(path: String, limits: StoreLimits = StoreLimits()) throws(LedgerError) {
        (database, damage) = try opened(path)
        self.limits = limits
        totals = try counted(database)
        firstHappening =
            try database.first("SELECT seq FROM sqlite_sequence WHERE name = 'happenings'") { $0.integer(0) } ?? 0
    }

    /// Writes one change into the open transaction, opening it if there is none.
    package func apply(_ change: Change) throws(LedgerError) {
        try writing { () throws(LedgerError) in
            switch change {
            case .outgoing(let row): try put(row)
            case .incoming(let row): try add(row)
            case .accepted(let row): try put(row)
            case .forgetAccepted(let owner, let sender): try forgetAccepted(owner: owner, sender: sender)
            case .park(let row): try park(row)
            case .unpark(let number): try database.run("DELETE FROM parked WHERE number = ?", [.integer(number)])
            case .unparkAll(let sender):
                try database.run(
                    "DELETE FROM parked WHERE verified IN (0, 1) AND address = ?", [.text(sender)])
            case .event(let row): try add(row)
            case .value(let key, let value): try put(value, key: key)
            case .forgetValues(let prefix):
                try database.run(
                    "DELETE FROM named WHERE key >= ? AND key < ?", [.text(prefix), .text(prefix + "\u{10FFFF}")])
            }
        }
    }

    /// Makes the turn durable: on disk and synced when this returns. Does nothing when there is nothing to do.
    package func commit() throws(LedgerError) {
        guard hasChanges else { return }
        do throws(LedgerError) {
            try writeTallies()
            try database.run("COMMIT")
            hasChanges = false
        } catch {
            rollback()
            throw error
        }
    }

    /// Forgets the turn.
    package func rollback() {
        guard hasChanges else { return }
        // SQLite ends the transaction by itself after some failures.
        if database.isInTransaction { try? database.run("ROLLBACK") }
        hasChanges = false
        totals = before.totals
        counts = before.counts
        tallies = [:]
        arrived.removeLast(max(0, arrived.count - before.arrived))
        written = before.written
        isStuck = false
    }

    /// What is new since the last call: to be told after the commit.
    package func takeNews() -> (arrived: [Int64], written: [EventRecord]) {
        defer { (arrived, written) = ([], []) }
        return (arrived, written)
    }

    /// Moves the log into the file. For idle moments: it syncs twice. Does nothing inside a transaction.
    package func checkpoint() throws(LedgerError) {
        guard !hasChanges else { return }
        try database.checkpoint()
    }

    /// Looks through the whole file: seconds for a large one.
    package func isSound() throws(LedgerError) -> Bool { try passesCheck(database) }

    package func value(key: String) throws(LedgerError) -> String? {
        try database.first("SELECT value FROM named WHERE key = ?", [.text(key)]) { $0.text(0) }
    }

    package func values(prefix: String) throws(LedgerError) -> [(key: String, value: String)] {
        try database.rows(
            "SELECT key, value FROM named WHERE key >= ? AND key < ? ORDER BY key",
            [.text(prefix), .text(prefix + "\u{10FFFF}")], { ($0.text(0), $0.text(1)) })
    }

    /// Runs `body` in the open transaction, opening it if there is none; on failure all of it is undone.
    func writing<T>(_ body: () throws(LedgerError) -> T) throws(LedgerError) -> T {
        try begin()
        do throws(LedgerError) {
            return try body()
        } catch {
            rollback()
            throw error
        }
    }

    private func begin() throws(LedgerError) {
        guard !hasChanges else { return }
        try database.run("BEGIN IMMEDIATE")
        before = Snapshot(totals: totals, counts: counts, arrived: arrived.count, written: written)
        hasChanges = true
    }

    private func put(_ value: String?, key: String) throws(LedgerError) {
        guard let value else {
            return try database.run("DELETE FROM named WHERE key = ?", [.text(key)])
        }
        try database.run("INSERT OR REPLACE INTO named (key, value) VALUES (?, ?)", [.text(key), .text(value)])
    }
}

/// An empty file is a database to SQLite; it gives its log the same mode and owner. Root's belongs to the
/// directory's owner.
private func makePrivate(_ path: String) throws(LedgerError) {
    do throws(Failure) {
        let file = try Descriptor(path, O_RDWR | O_CREAT, mode: 0o600)
        guard geteuid() == 0 else { return }
        let directory = try status(of: parent(of: path))
        guard fchown(file.number, directory.st_uid, directory.st_gid) == 0 else { throw .last }
    } catch {
        let error = error.error("open", "messages.sqlite")
        throw LedgerError(error.description, isFull: error.isFull)
    }
}

private func opened(_ path: String) throws(LedgerError) -> (Database, String?) {
    if let sound = try attempt(path) { return (sound, nil) }
    let aside = try movedAside(path)
    guard let fresh = try attempt(path) else {
        throw LedgerError("cannot open messages.sqlite: a new file is damaged at once, the disk may be failing")
    }
    return (fresh, "messages.sqlite is damaged and was moved to \(aside)")
}

/// `nil` when the file is damaged. No connection to a damaged file outlives this: its end would write to the file.
private func attempt(_ path: String) throws(LedgerError) -> Database? {
    try makePrivate(path)
    let database = try Database(path: path, name: "messages.sqlite")
    do throws(LedgerError) {
        try prepare(database)
        return try isSound(database, path) ? database : nil
    } catch {
        guard database.isDamaged else { throw error }
        return nil
    }
}

/// The checkpoint by SQLite itself is for a loop that is never idle.
private func prepare(_ database: Database) throws(LedgerError) {
    for setting in [
        "journal_mode = WAL", "synchronous = FULL", "cache_size = -256", "journal_size_limit = 4194304",
        "wal_autocheckpoint = 4096", "secure_delete = FAST", "temp_store = MEMORY",
    ] {
        try database.run("PRAGMA \(setting)")
    }
    try Schema.migrate(database)
}

/// Looks through a small file, which takes a moment; a large one would hold up the start for seconds, and its damage
/// shows when it is met. SQLite's check reports a page that cannot be read as damage, too: so the files are read, which
/// says why they cannot be, and what is readable is looked through once more.
private func isSound(_ database: Database, _ path: String) throws(LedgerError) -> Bool {
    let pages = try database.first("PRAGMA page_count") { $0.int(0) } ?? 0
    guard pages <= 2_048 else { return true }
    if try passesCheck(database) { return true }
    for ending in ["", "-wal"] { try readThrough(path + ending) }
    return try passesCheck(database)
}

private func passesCheck(_ database: Database) throws(LedgerError) -> Bool {
    try database.first("PRAGMA quick_check(1)") { $0.text(0) } == "ok"
}

private func readThrough(_ path: String) throws(LedgerError) {
    do throws(Failure) {
        let file = try Descriptor(path, O_RDONLY)
        while try !file.read(limit: 1 << 16).isEmpty {}
    } catch {
        guard !error.isAbsent else { return }
        throw LedgerError(error.error("read", last(of: path)).description)
    }
}

/// The database and its log go together: without the log the last messages are not in it.
private func movedAside(_ path: String) throws(LedgerError) -> String {
    let free = asideName(for: path)
    guard rename(path, free) == 0 else {
        throw LedgerError("cannot move messages.sqlite: \(Failure.last.words)")
    }
    for ending in ["-wal", "-shm"] where access(path + ending, F_OK) == 0 {
        rename(path + ending, free + ending)
    }
    return last(of: free)
}

private func counted(_ database: Database) throws(LedgerError) -> MessageStore.Totals {
    var totals = MessageStore.Totals()
    let outbox = "SELECT count(*), coalesce(sum(size), 0) FROM outbox WHERE living = 1"
    if let found = try database.first(outbox, [], { ($0.int(0), $0.int(1)) }) {
        (totals.outboxRows, totals.outboxBytes) = found
    }
    if let found = try database.first(
        "SELECT count(*), coalesce(sum(size), 0) FROM inbox", [], { ($0.int(0), $0.int(1)) })
    {
        (totals.inboxRows, totals.inboxBytes) = found
    }
    return totals
}
