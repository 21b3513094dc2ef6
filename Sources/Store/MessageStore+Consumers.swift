package import Records

/// What a consumer gets next, and how far the inbox was looked through for it.
package struct InboxPortion: Sendable, Equatable {
    package var messages: [Incoming]
    /// Every row up to here was looked at; ask on from here. Equal to `after` when there is nothing more.
    package var passed: Int64
}

/// Consumers and the inbox together: a cursor stays within the rows that were ever given, and a full inbox is searched
/// again once one has moved.
extension MessageStore {
    package func consumer(_ name: String) throws(LedgerError) -> Consumer? { try tables.consumers.row(name: name) }

    /// By name.
    package func consumers() throws(LedgerError) -> [Consumer] { try tables.consumers.rows() }

    /// How many messages it has not acknowledged. Counts them.
    package func pending(of consumer: Consumer) throws(LedgerError) -> Int64 {
        try tables.inbox.count(after: consumer.cursor, filter: consumer.filter)
    }

    /// The same for all, by name. Those without a filter share one walk through the inbox.
    package func pending() throws(LedgerError) -> [(consumer: Consumer, count: Int64)] {
        var (count, end) = (Int64(0), Int64.max)
        var found: [(consumer: Consumer, count: Int64)] = []
        for consumer in try consumers().sorted(by: { $0.cursor > $1.cursor }) {
            guard consumer.filter == InboxFilter() else {
                found.append((consumer, try pending(of: consumer)))
                continue
            }
            count += try tables.inbox.count(after: consumer.cursor, upTo: end)
            end = consumer.cursor
            found.append((consumer, count))
        }
        return found.sorted { $0.consumer.name < $1.consumer.name }
    }

    /// Inserts, or replaces the one of this name. The cursor is brought into what exists.
    package func put(_ consumer: Consumer) throws(LedgerError) {
        var consumer = consumer
        consumer.cursor = min(max(0, consumer.cursor), newestSequence)
        try writing { () throws(LedgerError) in try tables.consumers.put(consumer) }
        tables.inbox.unstick()
    }

    /// Says whether there was one.
    package func forget(consumer name: String) throws(LedgerError) -> Bool {
        tables.inbox.unstick()
        return try writing { () throws(LedgerError) in try tables.consumers.forget(name) }
    }

    /// Everything up to `seq` is done with. The cursor never goes back, and never beyond what exists; the caller sees
    /// to it that it does not go beyond what was delivered. The new cursor, or `nil` when there is no such consumer.
    package func acknowledge(consumer name: String, seq: Int64) throws(LedgerError) -> Int64? {
        guard let consumer = try consumer(name) else { return nil }
        return try move(consumer, to: max(consumer.cursor, seq))
    }

    /// The consumer could not handle this message. How often in a row it was this one, through restarts of whatever reads as
    /// this consumer; 0 when there is no such consumer.
    package func fail(consumer name: String, at seq: Int64) throws(LedgerError) -> Int64 {
        try writing { () throws(LedgerError) in try tables.consumers.fail(name, at: seq) }
    }

    /// Senders have given up what expired until this time, in seconds since 1970: it is for no consumer any more.
    package func expireInbox(at wall: Double) throws(LedgerError) {
        guard let next = tables.inbox.nextExpiry, next <= wall else { return }
        tables.inbox.unstick()
        try writing { () throws(LedgerError) in try tables.inbox.expire(at: wall) }
    }

    /// The next message will be `seq` or the first after it. The new cursor, or `nil` when there is no such consumer.
    package func seek(consumer name: String, seq: Int64) throws(LedgerError) -> Int64? {
        guard let consumer = try consumer(name) else { return nil }
        return try move(consumer, to: seq > 0 ? seq - 1 : 0)
    }

    /// At most `limit` messages with a greater `seq` than `after` that the consumer's filter takes, up to the one whose
    /// content makes them `bytes` or more. Looks through a bounded run of rows, so an empty answer with a `passed` beyond
    /// `after` means: ask again from there. Rows at the cursor that the filter leaves out are acknowledged on the way.
    package func next(
        for name: String, after: Int64, limit: Int, bytes: Int = .max
    ) throws(LedgerError) -> InboxPortion {
        let nothing = InboxPortion(messages: [], passed: after)
        guard limit > 0, let consumer = try consumer(name) else { return nothing }
        let isFiltered = consumer.filter != InboxFilter()
        guard isFiltered || after < newestSequence else { return nothing }
        let last = try isFiltered ? tables.inbox.endOfRun(after: after) : newestSequence
        let found = try reading { () throws(LedgerError) in
            try tables.inbox.rows(after: after, upTo: last, limit: limit, filter: consumer.filter, bytes: bytes)
        }
        let isCut = found.count == limit || found.reduce(0) { $0 + $1.content.utf8.count } >= bytes
        let passed = isCut ? found.last?.seq ?? after : max(after, last)
        if isFiltered || tables.inbox.hasExpired { try skip(consumer, upTo: passed) }
        return InboxPortion(messages: found, passed: passed)
    }

    /// Moves the cursor over rows that the filter leaves out or that have expired, up to the first that it takes.
    private func skip(_ consumer: Consumer, upTo passed: Int64) throws(LedgerError) {
        guard passed > consumer.cursor else { return }
        let taken = try tables.inbox.first(after: consumer.cursor, upTo: passed, filter: consumer.filter)
        let cursor = taken.map { $0 - 1 } ?? passed
        guard cursor > consumer.cursor else { return }
        try move(consumer, to: cursor)
    }

    @discardableResult
    private func move(_ consumer: Consumer, to seq: Int64) throws(LedgerError) -> Int64 {
        let cursor = min(max(0, seq), newestSequence)
        guard cursor != consumer.cursor else { return cursor }
        tables.inbox.unstick()
        try writing { () throws(LedgerError) in try tables.consumers.move(consumer.name, to: cursor) }
        return cursor
    }
}
