import DIMP
import Records

/// What contacts that are culver agents state of themselves (extensions.md 1), and whose statements are watched: those
/// that messages go to and come from, the ones of late, as many as the configuration allows. Each change is an event.
///
/// A statement counts when the contact signed it and no newer start of it is known, so a will of an older start that a
/// broker shows says nothing. A contact is online while any broker shows that its newest start is.
///
/// Known limits: a board states its presence under its first identity alone, so a contact that is another of its
/// identities stays unknown. What brokers show may be old, and where a broker takes no retained will a board that broke
/// off stays online.
struct PresenceWatch {
    private var entries: [Address: Entry] = [:]
    /// A statement is checked by a public-key operation, in the pool.
    private var operations = Budget(perSecond: Tuning.statementsPerSecond, burst: Tuning.statementsAtOnce)
    /// What the ledger remembers was taken up.
    private var isRestored = false
    /// How many statements a broker was found to show.
    private var grants: [String: Int] = [:]

    private struct Entry {
        var id: ID
        /// When messages last went to it or came from it, in seconds lived.
        var used: Double
        var last: Record?
        /// What connected brokers show of its newest start.
        var shown: [String: Bool] = [:]
        var seen: Double?
        var agent: String?
    }

    /// What is remembered of a contact: as text `online 1760000000.5 1759999999.0 b00t`.
    private struct Record: Equatable {
        var isOnline: Bool
        /// When this board learnt of it, and when that start began by the contact's clock, in seconds since 1970.
        var since: Double
        var at: Double
        var boot: String

        var text: String { "\(isOnline ? "online" : "gone") \(since) \(at) \(boot)" }

        init(isOnline: Bool, since: Double, at: Double, boot: String) {
            (self.isOnline, self.since, self.at, self.boot) = (isOnline, since, at, boot)
        }

        init?(_ text: String) {
            let words = text.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
            guard words.count == 4, ["online", "gone"].contains(words[0]), let since = Double(words[1]),
                let at = Double(words[2])
            else { return nil }
            self.init(isOnline: words[0] == "online", since: since, at: at, boot: String(words[3]))
        }
    }

    // MARK: - Who is watched

    /// Something is said to this contact or by it, or somebody asks how it is. With too many of them the one that was
    /// silent for longest makes room.
    mutating func watch(_ id: ID, in context: inout Context) throws(LedgerError) {
        let address = id.address
        guard entries[address] == nil else {
            entries[address]?.used = context.now.lived
            return
        }
        guard isWelcome(id, in: context) else { return }
        if entries.count >= limit(in: context) {
            guard let (oldest, entry) = entries.min(by: { $0.value.used < $1.value.used }),
                context.now.lived >= entry.used + Tuning.watchedPresence
            else { return }
            leave(oldest, in: &context)
        }
        let last = try context.ledger.value(.presence(of: address)).flatMap(Record.init)
        entries[address] = Entry(id: id.bare, used: context.now.lived, last: last)
        context.perform(.watchStates([address], broker: nil))
    }

    private func isWelcome(_ id: ID, in context: Context) -> Bool {
        guard let contact = context.book.contact(id.address) else { return false }
        return contact.isTrusted && !contact.isBlocked && !context.book.isOurs(id.address) && context.book.isCulver(id)
    }

    private func limit(in context: Context) -> Int {
        min(context.policy.directorySubscriptions, grants.values.min() ?? .max)
    }

    /// A contact said something that proves itself. `agent`: what it says that it runs.
    mutating func heard(_ id: ID, agent: String? = nil, in context: inout Context) throws(LedgerError) {
        try watch(id, in: &context)
        entries[id.address]?.seen = context.recordedTime
        guard let agent, agent.utf8.count <= Tuning.agentName, agent.utf8.allSatisfy({ 0x20...0x7E ~= $0 }) else {
            return
        }
        entries[id.address]?.agent = agent
    }

    /// The contact is one no more.
    mutating func forget(_ address: Address, in context: inout Context) throws(LedgerError) {
        try context.ledger.apply(.value(.presence(of: address), nil))
        if entries[address] != nil { leave(address, in: &context) }
    }

    private mutating func leave(_ address: Address, in context: inout Context) {
        entries[address] = nil
        context.perform(.leaveState(address))
    }

    // MARK: - Brokers

    mutating func connected(_ broker: String, in context: inout Context) throws(LedgerError) {
        if !isRestored {
            isRestored = true
            for (key, value) in try context.ledger.values(.presences) {
                guard case .presence(of: let address) = key, entries[address] == nil,
                    entries.count < limit(in: context), let id = context.book.contact(address)?.id,
                    isWelcome(id, in: context)
                else { continue }
                entries[address] = Entry(id: id.bare, used: context.now.lived, last: Record(value))
            }
        }
        if !entries.isEmpty { context.perform(.watchStates(entries.keys.sorted { $0.text < $1.text }, broker: broker)) }
    }

    /// What it showed may be old by now.
    mutating func disconnected(_ broker: String) {
        grants[broker] = nil
        for address in entries.keys { entries[address]?.shown[broker] = nil }
    }

    /// It grants no more subscriptions. Half of them go, so that cards can be looked for.
    mutating func refused(on broker: String, in context: inout Context) {
        let victims = entries.sorted { $0.value.used < $1.value.used }.prefix((entries.count + 1) / 2)
        for (address, _) in victims { leave(address, in: &context) }
        grants[broker] = entries.count
    }

    // MARK: - What is shown

    /// Bytes on the topic `state` of a contact: the pool looks who signed them.
    mutating func inspect(_ bytes: [UInt8], of address: Address, on broker: String, in context: Context) -> Job? {
        guard let id = entries[address]?.id, let meta = context.book.meta(of: id), !bytes.isEmpty,
            bytes.count <= context.policy.directorySize, operations.take(at: context.now.lived)
        else { return nil }
        return Job(
            lane: "state \(broker) \(address.text)",
            work: .inspect(StatementCheck(bytes: bytes, signer: id, meta: meta, broker: broker)))
    }

    /// The pool has looked: `nil` when the contact did not sign it.
    mutating func inspected(
        _ check: StatementCheck, as statement: Statement?, in context: inout Context
    ) throws(LedgerError) {
        let (address, broker) = (check.signer.address, check.broker)
        guard var entry = entries[address] else { return }
        guard let statement, statement.boot.utf8.count <= Tuning.bootName else {
            return try context.reject(
                Rejection(.signature, "a statement of presence that its entity did not sign"), from: check.signer)
        }
        let isSameStart = entry.last.map { $0.at == statement.at && $0.boot == statement.boot } ?? false
        if let last = entry.last, !isSameStart, (statement.at, statement.boot) < (last.at, last.boot) {
            return try context.reject(
                Rejection(.time, "a statement of presence of an older start"), from: check.signer)
        }
        if !isSameStart {
            entry.shown = [:]
            if statement.isOnline { entry.seen = context.recordedTime }
        }
        entry.shown[broker] = statement.isOnline
        let isOnline = entry.shown.values.contains(true)
        defer { entries[address] = entry }
        guard !isSameStart || entry.last?.isOnline != isOnline else { return }
        let record = Record(
            isOnline: isOnline, since: context.recordedTime, at: statement.at, boot: statement.boot)
        entry.last = record
        try context.ledger.apply(.value(.presence(of: address), record.text))
        try context.note(
            .presence, level: .info, text: "\(entry.id) is \(isOnline ? "online" : "gone")", did: entry.id,
            reason: isOnline ? "online" : "gone")
    }

    // MARK: - What is told

    /// `nil` for an ID that is not watched.
    func presence(of id: ID) -> PeerPresence? {
        guard let entry = entries[id.address] else { return nil }
        var presence = PeerPresence(state: .unknown, boot: entry.last?.boot, seen: entry.seen, agent: entry.agent)
        if let last = entry.last, !entry.shown.isEmpty {
            (presence.state, presence.since) = (last.isOnline ? .online : .gone, last.since)
        }
        return presence
    }

    /// In the order of their addresses.
    var watched: [ID] { entries.values.map(\.id).sorted { $0.address.text < $1.address.text } }
}
