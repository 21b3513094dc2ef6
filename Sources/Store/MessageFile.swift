import Glibc
import Records
import System

/// `messages.sqlite`, opened and fit for use: made when there was none, its tables up to date.
struct MessageFile {
    let database: Database
    /// What was wrong with the file that was found, and was put right or moved away with it; `nil` when it was sound or
    /// new.
    let damage: String?

    /// A damaged file is moved aside with its log and an empty one takes its place. Fails when the file cannot be made
    /// or a newer culver made it.
    init(path: String) throws(LedgerError) {
        if let (sound, mended) = try attempt(path) {
            (database, damage) = (sound, mended)
            return
        }
        let aside = try movedAside(path)
        guard let (fresh, _) = try attempt(path) else {
            throw LedgerError("cannot open messages.sqlite: a new file is damaged at once, the disk may be failing")
        }
        (database, damage) = (fresh, "messages.sqlite is damaged and was moved to \(aside)")
    }
}

extension Database {
    /// Looks through the whole file: seconds for a large one.
    func passesCheck() throws(LedgerError) -> Bool {
        try first("PRAGMA quick_check(1)") { $0.text(0) } == "ok"
    }
}

/// SQLite takes an empty file for a database, and gives its log the same mode and owner. A file that root makes belongs
/// to the directory's owner. In another user's directory root changes nothing that has a second name elsewhere.
///
/// Known limit: SQLite opens its files by path, after this. A path through a held descriptor (`/proc/self/fd/N`) is no help,
/// because SQLite follows the links in it and keeps what they lead to. So whoever may rename the directory can exchange it
/// between the two, which its own user can do to root's tool.
private func makePrivate(_ path: String) throws(LedgerError) {
    do throws(Errno) {
        let file = try Descriptor(path, flags: O_RDWR | O_CREAT, mode: 0o600)
        guard geteuid() == 0 else { return }
        let directory = try status(of: parent(of: path))
        if directory.st_uid != 0 {
            for ending in ["", "-wal", "-shm", "-journal"] {
                guard let found = try? status(of: path + ending) else { continue }
                guard found.isRegular else { throw Errno(found.isLink ? ELOOP : EINVAL) }
                guard found.st_nlink == 1 else { throw Errno(EMLINK) }
            }
        }
        guard fchown(file.number, directory.st_uid, directory.st_gid) == 0 else { throw .last }
    } catch {
        let error = error.error("open", "messages.sqlite")
        throw LedgerError(error.description, isFull: error.isFull)
    }
}

/// `nil` when the file is damaged; otherwise what was put right in it. No connection to a damaged file outlives this: its
/// end would write to the file.
private func attempt(_ path: String) throws(LedgerError) -> (Database, mended: String?)? {
    try makePrivate(path)
    let database = try Database(path: path, name: "messages.sqlite")
    do throws(LedgerError) {
        guard let mended = try prepare(database), try isSound(database, at: path) else { return nil }
        return (database, mended.isEmpty ? nil : "messages.sqlite was put right: \(mended.joined(separator: ", "))")
    } catch {
        guard database.isDamaged else { throw error }
        return nil
    }
}

/// What was put right; `nil` when the tables are not culver's. The checkpoint by SQLite itself is for a loop that is never
/// idle.
private func prepare(_ database: Database) throws(LedgerError) -> [String]? {
    for setting in [
        "journal_mode = WAL", "synchronous = FULL", "cache_size = -256", "journal_size_limit = 4194304",
        "wal_autocheckpoint = 4096", "secure_delete = FAST", "temp_store = MEMORY",
    ] {
        try database.run("PRAGMA \(setting)")
    }
    guard let check = try SchemaCheck(of: database) else { return nil }
    let foreign = try check.mend(database)
    try Schema.migrate(database)
    return foreign + (try database.mendNumbers())
}

/// Looks through a small file, which takes a moment; a large one would hold up the start for seconds, and its damage
/// shows when it is met. SQLite's check reports a page that cannot be read as damage, too: so the files are read, which
/// says why they cannot be, and what is readable is looked through once more.
private func isSound(_ database: Database, at path: String) throws(LedgerError) -> Bool {
    let pages = try database.first("PRAGMA page_count") { $0.int(0) } ?? 0
    guard pages <= 2_048 else { return true }
    if try database.passesCheck() { return true }
    for ending in ["", "-wal"] { try readThrough(path + ending) }
    return try database.passesCheck()
}

private func readThrough(_ path: String) throws(LedgerError) {
    do throws(Errno) {
        let file = try Descriptor(path, flags: O_RDONLY)
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
        throw LedgerError("cannot move messages.sqlite: \(Errno.last.words)")
    }
    for ending in ["-wal", "-shm"] where access(path + ending, F_OK) == 0 {
        rename(path + ending, free + ending)
    }
    return last(of: free)
}
