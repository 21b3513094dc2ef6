package import Records

/// Everything that is written down about messages, in one SQLite file (culver.conf(5)).
///
/// Changes are applied as they come, seen by every read at once, and become durable together in `commit()`; after a
/// failure of `apply` or `commit` nothing of the turn remains and the store can be used again. The store owns the
/// transaction; what a row is and how many there may be is for the tables.
///
/// `@unchecked Sendable`: one thread at a time, the loop between commits, the store's queue during one.
package final class MessageStore: Ledger, @unchecked Sendable {
    /// What was wrong with the file found at start: put right in it, or where it was moved; `nil` when it was sound or
    /// new.
    package let damage: String?
    /// To be changed by the loop alone, in a turn.
    package var limits: StoreLimits
    /// A transaction is open and waits for `commit()`.
    package private(set) var hasChanges = false

    let database: Database
    var tables: Tables
    /// The tables as they were when the transaction began: what a rollback puts back.
    private var before: Tables
    private var damages: [String] = []

    /// Opens the file, makes it when there is none, brings its tables up to date. A damaged file is moved aside with
    /// its log and an empty one takes its place. Fails when the file cannot be made or a newer culver made it.
    package init(path: String, limits: StoreLimits = StoreLimits()) throws(LedgerError) {
        let file = try MessageFile(path: path)
        (database, damage) = (file.database, file.damage)
        self.limits = limits
        tables = try Tables(file.database)
        before = tables
    }

    /// Writes one change into the open transaction, opening it if there is none.
    package func apply(_ change: Change) throws(LedgerError) {
        try writing { () throws(LedgerError) in
            switch change {
            case .outgoing(let row): try tables.put(row)
            case .sealed(let shipment, let body, let rows): try tables.add(shipment, body, rows)
            case .attempted(let shipment): try tables.shipments.attempted(shipment)
            case .moved(let old, let new): try tables.move(old, to: new)
            case .incoming(let row): try tables.inbox.add(row)
            case .accepted(let row): try tables.accepted.put(row, timeless: limits.timelessDigests)
            case .receipted(let owner, let sender, let digest):
                try tables.accepted.setReceipted(owner: owner, sender: sender, digest: digest)
            case .forgetAccepted(let owner, let sender): try tables.accepted.forget(owner: owner, sender: sender)
            case .park(let row): try tables.parking.park(row, limits: limits)
            case .unpark(let number): try tables.parking.unpark(number: number)
            case .unparkAll(let sender): try tables.parking.unparkAll(of: sender)
            case .event(let row):
                try tables.events.add(row, limits: limits)
                tables.peers.count(row)
            case .served(let row): try tables.calls.put(row)
            case .calling(let row): try tables.calls.put(row)
            case .answered(let row): try tables.calls.put(row)
            case .audit(let line): try tables.calls.add(line)
            case .bridged(let row): try tables.bridged.put(row)
            case .bridgedEnded(let place): try tables.bridged.end(place)
            case .forgetBridge(let name): try tables.bridged.forget(name)
            case .pipe(let row): try tables.pipes.put(row)
            case .forgetPipe(let key): try tables.pipes.forget(key)
            case .piece(let piece): try tables.pipes.add(piece)
            case .value(let key, let value): try tables.values.put(value, for: key)
            case .forgetValues(let family): try tables.values.forget(family)
            }
        }
    }

    /// Removes what is over its age, a portion of each table; says whether there may be more. Without a wall clock,
    /// only what is aged by the time that the board has been up.
    package func prune(wall: Double, lived: Double) throws(LedgerError) -> Bool {
        try writing { () throws(LedgerError) in
            try tables.parking.prune(before: lived - limits.parkedAge)
            var isMore = try tables.outbox.prune(wall: wall, lived: lived, age: limits.endedAge)
            guard wall > 0 else { return isMore }
            if let next = tables.inbox.nextExpiry, next <= wall { try tables.inbox.expire(at: wall) }
            try tables.calls.prune(before: wall - limits.callAge)
            isMore = try pruneDigests(before: wall - limits.digestAge) || isMore
            return try tables.inbox.prune(before: wall - limits.keep) || isMore
        }
    }

    /// What is dropped is written down: a clock that goes back makes contents of that age young again, and they would be
    /// taken once more.
    private func pruneDigests(before time: Double) throws(LedgerError) -> Bool {
        if let newest = try tables.accepted.newestToPrune(before: time) {
            let known = try tables.values.value(.forgottenUntil).flatMap(Double.init) ?? -.infinity
            if newest > known { try tables.values.put(String(newest), for: .forgottenUntil) }
        }
        return try tables.accepted.prune(before: time)
    }

    /// Makes the turn durable: on disk and synced when this returns. Does nothing when there is nothing to do.
    package func commit() throws(LedgerError) {
        guard hasChanges else { return }
        do throws(LedgerError) {
            try tables.peers.writeTallies()
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
        tables = before
        tables.inbox.unstick()
    }

    /// What is new since the last call: the inbox rows and events that were written. The caller tells them after the
    /// commit, and asks in no open transaction.
    package func takeNews() -> (arrived: [Int64], written: [EventRecord]) {
        (tables.inbox.takeArrived(), tables.events.takeWritten())
    }

    /// Moves the log into the file. For idle moments: it syncs twice. Does nothing inside a transaction.
    package func checkpoint() throws(LedgerError) {
        guard !hasChanges else { return }
        try database.checkpoint()
    }

    /// Looks through the whole file: seconds for a large one.
    package func isSound() throws(LedgerError) -> Bool { try database.passesCheck() }

    /// It has tables that are not culver's.
    func isForeign() throws(LedgerError) -> Bool { try SchemaCheck.isForeign(database) }

    /// Rows that were met, could not be read and were set aside, since the last call.
    package func takeDamages() -> [String] {
        defer { damages = [] }
        return damages
    }

    /// Runs `body`. When it meets rows that cannot be read they are set aside, and it looks once more: so a damaged row
    /// stands in the way of no other, and no portion is shorter for it.
    func reading<T>(_ body: () throws(LedgerError) -> T) throws(LedgerError) -> T {
        let found = try body()
        guard database.hasUnreadable else { return found }
        database.hasUnreadable = false
        damages += try writing { () throws(LedgerError) in
            try tables.peers.writeTallies()
            let words = try database.setAsideUnreadable()
            try tables.outbox.countAnew()
            try tables.shipments.countAnew()
            return words
        }
        return try body()
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
        before = tables
        hasChanges = true
    }
}
