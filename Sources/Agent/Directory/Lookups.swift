import DIMP
import Format
import Records

/// Other entities' cards: looked for in the directory of retained topics, asked for where that stays silent, and taken from
/// wherever they come if they prove themselves. A meta must hash to its ID and a visa is signed by the meta's key, so it
/// does not matter who shows them.
struct Lookups {
    /// By address: the name in front of an address is a claim.
    private var entries: [Address: Entry] = [:]
    private var watches = Watches()
    /// What we ask peers.
    private var questions: Budget
    private var checks = CardChecks()

    private struct Entry {
        var id: ID
        /// A message of ours waits for it, or it is a contact. Strangers' IDs, which anybody can make up, get half of the
        /// room.
        var isWanted: Bool
        /// A message of ours waits for it.
        var isWrittenTo: Bool
        /// When it began, in seconds lived.
        var since: Double
        /// When to ask the peer, or to end it.
        var next: Double
        /// A stranger's meta was found: more is not wanted.
        var isDone = false
        /// The peer itself was asked, so that its answer is on its way.
        var isAsked = false
        /// A visa that came before its meta.
        var visa: [UInt8]?
    }

    init(_ policy: Policy) {
        questions = Budget(perSecond: Double(policy.queriesPerMinute) / 60, burst: Double(policy.queriesPerMinute))
    }

    /// What was learnt, and may let something go on.
    enum Finding {
        /// A meta: messages parked for the want of it go on. It travels with them if it is kept nowhere.
        case meta(of: ID, attaching: Meta?)
        /// A visa was looked at: messages to its owner may have a key now.
        case visa(of: ID)
    }

    // MARK: - Beginning and end of a look-up

    /// Looks for an ID in the directory, unless that is being done. `isWrittenTo`: a message of ours waits for it.
    mutating func lookUp(_ id: ID, isWanted: Bool, isWrittenTo: Bool = false, in context: inout Context) {
        guard !id.isBroadcast, !context.book.isOurs(id.address) else { return }
        let want: Watches.Want = isWrittenTo ? .writtenTo : isWanted ? .known : .stranger
        if let known = entries[id.address] {
            // The name that a stranger's message claimed gives way to the one that we write to.
            if isWrittenTo { entries[id.address]?.isWrittenTo = true }
            if isWanted, !known.isWanted {
                entries[id.address]?.isWanted = true
                entries[id.address]?.id = id
            }
            return watches.add(id.address, want: want, in: &context)
        }
        let strangersRoom = context.policy.directorySubscriptions / 2
        let isFull =
            isWanted
            ? !makeRoom(isWrittenTo: isWrittenTo, in: &context)
            : entries.values.count(where: { !$0.isWanted }) >= strangersRoom
        guard !isFull else {
            context.counts.lookupsDropped += 1
            return
        }
        let lived = context.now.lived
        entries[id.address] = Entry(
            id: id, isWanted: isWanted, isWrittenTo: isWrittenTo, since: lived,
            next: lived + context.policy.queryPatience)
        watches.add(id.address, want: want, in: &context)
    }

    /// Room for another that is wanted: who is written to comes before who is merely known.
    private mutating func makeRoom(isWrittenTo: Bool, in context: inout Context) -> Bool {
        guard entries.count >= Tuning.lookups else { return true }
        guard isWrittenTo, let other = entries.first(where: { !$0.value.isWrittenTo })?.key else { return false }
        context.counts.lookupsDropped += 1
        forget(other, in: &context)
        return true
    }

    /// When the look-up of this ID began, in seconds lived; `nil` when there is none.
    func beginning(of id: ID) -> Double? { entries[id.address]?.since }

    /// Whether this ID itself was asked for its card, and the look-up is still open.
    func isAsked(_ id: ID) -> Bool { entries[id.address]?.isAsked == true }

    /// Whether a message can be encrypted now. A meta alone will do once a visa was waited for.
    func isReady(_ receiver: ID, in context: Context) -> Bool {
        guard context.book.encryptionKey(of: receiver) != nil else { return false }
        if context.book.visa(of: receiver) != nil { return true }
        guard let since = beginning(of: receiver) else { return false }
        return !RepeatSchedule(context).isPatient(since: since)
    }

    /// The first broker is there: what was wanted while nobody could be asked begins now.
    mutating func beginAnew(in context: Context) {
        for address in entries.keys {
            entries[address]?.since = context.now.lived
            entries[address]?.next = context.now.lived + context.policy.queryPatience
        }
    }

    /// Watches what is looked for, on a broker that has just come.
    mutating func watchAll(in context: inout Context) { watches.connected(in: &context) }

    mutating func disconnected(_ broker: String) { watches.disconnected(broker) }

    /// The broker does not grant the subscription to these cards.
    mutating func refused(_ address: Address, on broker: String, in context: inout Context) {
        watches.refused(address, on: broker, in: &context)
    }

    /// What finds no place among those that are watched has its turn.
    mutating func takeTurns(in context: inout Context) {
        if context.now.lived >= watches.nextDue ?? .infinity { watches.takeTurns(in: &context) }
    }

    mutating func forget(_ address: Address, in context: inout Context) {
        if entries.removeValue(forKey: address) != nil { watches.remove(address, in: &context) }
    }

    /// Where the directory stays silent the peer itself is asked, by a broadcast that needs no key. A look-up ends when there
    /// is a visa, or after a while when no message waits for it. Only with a broker.
    mutating func askPeers(in context: inout Context) throws(LedgerError) {
        let lived = context.now.lived
        // What is wanted goes before strangers.
        let due = entries.values.filter { lived >= $0.next }
            .sorted { ($0.isWanted ? 0 : 1, $0.id.text) < ($1.isWanted ? 0 : 1, $1.id.text) }
        for entry in due {
            let id = entry.id
            let isFound = context.book.visa(of: id) != nil || (entry.isDone && !entry.isWanted)
            if isFound || lived >= entry.since + Tuning.lookupLife,
                try context.ledger.waitingOutgoing(receiver: id.bare, after: 0, limit: 1).isEmpty
            {
                forget(id.address, in: &context)
                continue
            }
            entries[id.address]?.next = lived + context.policy.queryInterval
            guard !isFound, let identity = try asker(about: id, in: context) else { continue }
            guard questions.take(at: lived) else {
                entries[id.address]?.next = lived + Tuning.questionPause
                continue
            }
            entries[id.address]?.isAsked = true
            ask(about: id, as: identity, in: &context)
        }
    }

    /// The identity that wants to write to this ID, or that a message of this ID is for: the peer answers the one that
    /// asks, and learns of no other.
    private func asker(about id: ID, in context: Context) throws(LedgerError) -> Identity? {
        if let row = try context.ledger.waitingOutgoing(receiver: id.bare, after: 0, limit: 1).first {
            return context.book.identity(row.sender.address)
        }
        let parked = try context.ledger.parked(sender: id.address, isVerified: false, after: 0, limit: 1).first
        return parked.flatMap { context.book.identity($0.receiver.address) } ?? context.book.identities.first
    }

    private func ask(about id: ID, as identity: Identity, in context: inout Context) {
        let questions = [
            Content.metaCommand(about: id, meta: nil, sn: context.newSN(), time: context.now.wall),
            Content.documentCommand(
                "documents", about: id, document: nil, meta: nil, sn: context.newSN(), time: context.now.wall),
        ]
        for question in questions { ControlMessage.ask(question, about: id, as: identity, in: &context) }
    }

    var nextDue: Double? {
        [entries.values.lazy.map(\.next).min(), watches.nextDue].lazy.compactMap { $0 }.min()
    }

    // MARK: - What is found

    /// Bytes on a retained topic of somebody else. Over-long and unreadable ones are nothing.
    mutating func found(
        _ bytes: [UInt8], on topic: Topic, in context: inout Context
    ) throws(LedgerError) -> [Finding] {
        guard !bytes.isEmpty, bytes.count <= context.policy.directorySize, let id = entries[topic.address]?.id,
            let json = try? JSON(parsing: bytes)
        else { return [] }
        switch topic {
        case .meta:
            take(meta: json, of: named(id, by: json), in: &context)
            return []
        case .visa:
            // The two topics come in any order.
            guard context.book.meta(of: id) != nil else {
                // Without room for it the peer is asked, as if it had not been there, and it is shown again with the next turn.
                entries[topic.address]?.visa = nil
                if heldVisaBytes + bytes.count <= Tuning.visasBeforeMetas { entries[topic.address]?.visa = bytes }
                return []
            }
            try take(visas: [json], of: id, in: &context)
            return [.visa(of: id)]
        case .state, .inbox, .acknowledgements, .piece: return []
        }
    }

    var heldVisaBytes: Int { entries.values.reduce(0) { $0 + ($1.visa?.count ?? 0) } }

    /// Strangers are known by an address alone: what stood in front of it was anybody's claim, the seed is proven.
    private func named(_ id: ID, by meta: JSON) -> ID {
        guard entries[id.address]?.isWanted == false, let seed = meta["seed"]?.string else { return id }
        return ID("\(seed)@\(id.address)") ?? id
    }

    /// A meta from the directory or from an answer, unless one is known: the pool looks at it.
    mutating func take(meta: JSON, of id: ID, in context: inout Context) {
        guard !context.book.isOurs(id.address), context.book.meta(of: id) == nil,
            let job = checks.begin(meta: meta, of: id, in: &context)
        else { return }
        context.perform(.work(job))
    }

    /// What the pool says of cards. Their owner may have become known, or have gone, meanwhile.
    mutating func checked(
        _ check: CardCheck, as result: CardCheck.CheckedCards, in context: inout Context
    ) throws(LedgerError) -> [Finding] {
        checks.end(check)
        guard !context.book.isOurs(check.id.address) else { return [] }
        if check.visas.isEmpty { return try learn(result.meta, of: check.id, in: &context) }
        guard context.book.contact(check.id.address) != nil, let meta = context.book.meta(of: check.id),
            case .success(let asked) = result.meta, asked.json == meta.json
        else { return [] }
        for (visa, rejection) in zip(check.visas, result.visas) {
            if let rejection {
                try context.reject(rejection, from: check.id)
            } else {
                try adopt(visa, of: check.id, in: &context)
            }
        }
        return [.visa(of: check.id)]
    }

    /// Kept for contacts; for a stranger it only lets parked messages on.
    private mutating func learn(
        _ result: Result<Meta, Rejection>, of claimed: ID, in context: inout Context
    ) throws(LedgerError) -> [Finding] {
        guard context.book.meta(of: claimed) == nil else { return [] }
        let meta: Meta
        do throws(Rejection) {
            meta = try result.get()
        } catch {
            try context.reject(error, from: claimed)
            return []
        }
        let id = ID(name: meta.seed, address: claimed.address)
        guard context.book.contact(id.address) != nil else {
            entries[id.address]?.isDone = true
            return [.meta(of: id, attaching: meta)]
        }
        return try keep(meta, of: id, in: &context) + [.meta(of: id, attaching: meta)]
    }

    /// Nothing came of it: the disk fails.
    mutating func giveUp(_ check: CardCheck) { checks.end(check) }

    /// A contact's meta is kept, and with it the visa that came before it.
    private mutating func keep(_ meta: Meta, of id: ID, in context: inout Context) throws(LedgerError) -> [Finding] {
        context.book.apply(.meta(meta, of: id))
        if var contact = context.book.contact(id.address), contact.id != id {
            contact.id = id
            context.book.apply(.contact(contact))
        }
        entries[id.address]?.id = id
        guard let bytes = entries[id.address]?.visa else { return [] }
        entries[id.address]?.visa = nil
        guard let visa = try? JSON(parsing: bytes) else { return [] }
        try take(visas: [visa], of: id, in: &context)
        return [.visa(of: id)]
    }

    /// Visas of a contact whose meta is known or being checked: the pool looks at those that are news.
    private mutating func take(visas found: [JSON], of id: ID, in context: inout Context) throws(LedgerError) {
        guard context.book.contact(id.address) != nil, !context.book.isOurs(id.address) else { return }
        let known = visas(of: id, in: context)
        var news: [Document] = []
        for json in found {
            do throws(Rejection) {
                let visa = try Document(json)
                // The terminal may stand beside what is signed: the same visa under another one is no other visa.
                if !known.contains(where: { $0.data == visa.data }) { news.append(visa) }
            } catch {
                try context.reject(error, from: id)
            }
        }
        guard let job = checks.begin(visas: news, of: id, meta: context.book.meta(of: id), in: &context) else { return }
        context.perform(.work(job))
    }

    /// The newest of each device, the one without a terminal included.
    private func visas(of id: ID, in context: Context) -> [Document] {
        [context.book.visa(of: id)].compactMap { $0 } + context.book.deviceVisas(of: id)
    }

    /// A checked visa of a contact, if it is newer than the stored one. An older one is an event, not a visa.
    private mutating func adopt(_ visa: Document, of id: ID, in context: inout Context) throws(LedgerError) {
        let known = visas(of: id, in: context).first { $0.terminal == visa.terminal }
        if visa.terminal != nil, context.book.isCulver(id) {
            let text = "a visa for a device of a peer that has one visa for all"
            return try context.reject(Rejection(.meta, text), from: id)
        }
        if context.now.isClockSet, visa.time > context.now.wall + ProtocolLimits.contentAhead {
            return try context.reject(Rejection(.meta, "the visa is from the future"), from: id)
        }
        if known?.key != nil, visa.key == nil {
            return try context.reject(Rejection(.meta, "the visa lost its key"), from: id)
        }
        if let known, visa.time <= known.time {
            guard visa.time < known.time else { return }
            context.counts.visasRolledBack += 1
            return try context.note(
                .visa, level: .warning, text: "an older visa of \(id) was shown and not taken", did: id,
                reason: "visa-rolled-back")
        }
        context.book.keep(visa, of: id)
        entries[id.address]?.next = context.now.lived + context.policy.queryPatience
    }

    /// Documents of an answer.
    mutating func take(documents: [JSON], of id: ID, in context: inout Context) throws(LedgerError) -> [Finding] {
        try take(visas: Array(documents.prefix(Tuning.documentsOfOneAnswer)), of: id, in: &context)
        return [.visa(of: id)]
    }

    /// The sender of a message that is trusted, or was taken under `open`: a contact's meta is kept, a stranger becomes known.
    /// `visa`: the attached one, checked.
    mutating func meet(
        _ id: ID, meta: Meta, visa: Document?, in context: inout Context
    ) throws(LedgerError) -> [Finding] {
        if context.book.contact(id.address) == nil {
            try makeRoomForStranger(in: &context)
            context.book.apply(.contact(Contact(id: id.bare, trust: .stranger)))
        }
        var findings: [Finding] = []
        if context.book.meta(of: id) == nil {
            findings = try keep(meta, of: id, in: &context) + [.meta(of: id, attaching: nil)]
        }
        guard let visa else { return findings }
        try adopt(visa, of: id, in: &context)
        return findings + [.visa(of: id)]
    }

    /// Only so many strangers are kept, each with a directory of its own. One by chance makes room for the next: the oldest
    /// might be the one that is worth keeping. It may write again, and is known again then.
    private mutating func makeRoomForStranger(in context: inout Context) throws(LedgerError) {
        let book = context.book
        var strangers = book.strangers.filter { !book.isMember($0.address) }
        for _ in 0..<Tuning.strangersForgottenAtOnce where strangers.count >= Tuning.keptStrangers {
            let gone = strangers.remove(at: Int(context.random() % UInt64(strangers.count))).address
            context.book.apply(.forget(gone))
            for identity in context.book.identities {
                let own = identity.id.address
                try context.ledger.apply(.value(.window(owner: own, sender: gone, target: own), nil))
            }
        }
    }
}
