import Crypto
import DIMP
import Format
import Records

/// The public directory of retained topics: our own cards in it, and those of whom we want to write to.
extension Messenger {
    // MARK: - Ours

    mutating func link(_ broker: String, _ room: Int, _ now: Moment) throws(LedgerError) {
        guard twin == nil else { return }
        // Nothing of an earlier connection is under way.
        if rooms[broker] != nil { try unlink(broker, now) }
        // What was wanted while nobody could be asked begins now.
        if rooms.isEmpty {
            receipting = [:]
            for address in lookups.keys {
                lookups[address]?.since = now.lived
                lookups[address]?.next = now.lived + policy.queryPatience
            }
        }
        rooms[broker] = room
        keepDirectory(broker, now)
        try clearShelves(on: broker)
        for address in lookups.keys.sorted(by: { $0.text < $1.text }) { effects.append(.watch(address)) }
        try sendOwedReceipts(now)
        for receiver in try ledger.awaitedReceivers(limit: policy.directorySubscriptions) {
            guard let id = ID(receiver) else { continue }
            // Its key may have come before the last end of the daemon, or from somewhere else.
            try release(id, now)
            lookUp(id, now)
        }
        try unparkAll(now)
        try pump(now)
    }

    mutating func keepDirectory(_ broker: String, _ now: Moment) {
        effects.append(.keep(book.identities.map(\.id.address), broker: broker))
        for identity in book.identities { publishCard(identity, on: broker) }
    }

    private mutating func publishCard(_ identity: Identity, on broker: String) {
        let address = identity.id.address
        for (place, card) in [(Topic.meta(address), identity.meta.json), (.visa(address), identity.visa.json)] {
            dispatch(
                PendingPublication(place: place, payload: JSON.object(card).bytes, purpose: .courtesy, broker: broker))
        }
    }

    /// Our own card as a broker shows it: put back when somebody changed it, at most once in a minute and more
    /// seldom when that goes on.
    private mutating func inspect(_ place: Topic, _ bytes: [UInt8], _ broker: String, _ now: Moment) throws(LedgerError)
    {
        let shelf = RetainedTopic(place: place, broker: broker)
        guard let expected = card(at: place), bytes != expected else {
            repairs[shelf]?.isDue = false
            return
        }
        guard var repair = repairs[shelf], now.lived < repair.last + 3600 else {
            repairs[shelf] = Repair(last: now.lived, pause: 60, isDue: false)
            return try putBack(shelf, expected, isOlder: isOlderVisa(bytes, at: place), now)
        }
        repair.isDue = true
        repairs[shelf] = repair
        try repairCards(now)
    }

    mutating func repairCards(_ now: Moment) throws(LedgerError) {
        for (shelf, repair) in repairs where repair.isDue && now.lived >= repair.last + repair.pause {
            repairs[shelf] = Repair(last: now.lived, pause: min(repair.pause * 2, 3600), isDue: false)
            guard rooms[shelf.broker] != nil else { continue }
            if case .state(let address) = shelf.place {
                effects.append(.state(address, broker: shelf.broker, answering: newcomers.last?.boot))
                continue
            }
            guard let expected = card(at: shelf.place) else { continue }
            try putBack(shelf, expected, now)
        }
    }

    /// One that we signed before the present one, as it stands there after new keys until ours has come.
    private func isOlderVisa(_ bytes: [UInt8], at place: Topic) -> Bool {
        guard case .visa(let address) = place, bytes.count <= policy.directorySize,
            let identity = book.identity(address), let json = try? JSON(parsing: bytes), let visa = try? Document(json)
        else { return false }
        return visa.time < identity.visa.time && (try? visa.check(about: identity.id, meta: identity.meta)) != nil
    }

    private mutating func putBack(
        _ shelf: RetainedTopic, _ card: [UInt8], isOlder: Bool = false, _ now: Moment
    ) throws(LedgerError) {
        if isOlder {
            try note(
                .visa, .info, "an older visa of ours stood at broker \(shelf.broker)", broker: shelf.broker,
                reason: "older-visa", now)
        } else {
            counts.cardsPutBack += 1
            try note(
                .visa, .warning, "somebody changed our own retained card; it was put back", broker: shelf.broker,
                reason: "card-changed", now)
        }
        dispatch(PendingPublication(place: shelf.place, payload: card, purpose: .courtesy, broker: shelf.broker))
    }

    private func card(at place: Topic) -> [UInt8]? {
        switch place {
        case .meta(let address): book.identity(address).map { JSON.object($0.meta.json).bytes }
        case .visa(let address): book.identity(address).map { JSON.object($0.visa.json).bytes }
        case .state, .inbox: nil
        }
    }

    // MARK: - Others'

    /// Watches the directory for an ID, unless it is being watched. Strangers' IDs, which anybody can make up, get
    /// half of the room.
    mutating func lookUp(_ id: ID, isOurs: Bool = true, _ now: Moment) {
        guard !id.isBroadcast, book.identity(id.address) == nil else { return }
        if let known = lookups[id.address] {
            // The name in front of an address is a claim; whom we write to, we know.
            if isOurs, !known.isOurs {
                lookups[id.address]?.isOurs = true
                lookups[id.address]?.id = id
            }
            return
        }
        let room = policy.directorySubscriptions
        let isFull = lookups.count >= room || (!isOurs && lookups.values.count(where: { !$0.isOurs }) >= room / 2)
        guard !isFull else {
            counts.lookupsDropped += 1
            return
        }
        lookups[id.address] = Lookup(
            id: id, isOurs: isOurs, since: now.lived, next: now.lived + policy.queryPatience)
        effects.append(.watch(id.address))
    }

    mutating func find(_ place: Topic, _ bytes: [UInt8], _ broker: String, _ now: Moment) throws(LedgerError) {
        let address: Address
        switch place {
        case .inbox: return
        case .state(let of): return try inspectState(of, bytes, broker, now)
        case .meta(let of), .visa(let of): address = of
        }
        if book.identity(address) != nil { return try inspect(place, bytes, broker, now) }
        guard !bytes.isEmpty, bytes.count <= policy.directorySize, let id = lookups[address]?.id,
            let json = try? JSON(parsing: bytes)
        else { return }
        switch place {
        case .meta:
            try learnMeta(json, of: named(id, json), now)
        case .visa:
            // The two topics come in any order.
            guard let meta = book.meta(of: id) else {
                lookups[address]?.visa = bytes
                return
            }
            try learnVisa(json, of: id, meta: meta, now)
            try release(id, now)
        case .state, .inbox: break
        }
    }

    /// Strangers are known by an address alone: what stood in front of it was anybody's claim, the seed is proven.
    private func named(_ id: ID, _ meta: JSON) -> ID {
        guard lookups[id.address]?.isOurs == false, let seed = meta["seed"]?.string else { return id }
        return ID("\(seed)@\(id.address)") ?? id
    }

    /// The visa that came before its meta.
    private mutating func takeWaitingVisa(of id: ID, _ now: Moment) throws(LedgerError) {
        guard let meta = book.meta(of: id), let bytes = lookups[id.address]?.visa else { return }
        lookups[id.address]?.visa = nil
        guard let visa = try? JSON(parsing: bytes) else { return }
        try learnVisa(visa, of: id, meta: meta, now)
        try release(id, now)
    }

    /// A meta from the directory or from an answer: kept for contacts; for a stranger it only lets parked messages on.
    mutating func learnMeta(_ json: JSON, of id: ID, _ now: Moment) throws(LedgerError) {
        if book.identity(id.address) != nil || book.meta(of: id) != nil { return }
        let meta: Meta
        do throws(Rejection) {
            meta = try Meta(json)
            guard meta.vouches(for: id) else { throw Rejection(.meta, "the meta found is of another ID") }
        } catch {
            return try reject(error, from: id, now)
        }
        if book.contact(id.address) != nil {
            book.apply(.meta(meta, of: id))
            try takeWaitingVisa(of: id, now)
        } else {
            lookups[id.address]?.isDone = true
        }
        unpark(id, isVerified: false, attaching: meta)
    }

    /// A visa that is signed, about this ID and newer than the stored one. An older one is an event, not a visa.
    mutating func learnVisa(_ json: JSON, of id: ID, meta: Meta, _ now: Moment) throws(LedgerError) {
        guard book.contact(id.address) != nil, book.identity(id.address) == nil else { return }
        let known = book.visa(of: id)
        let visa: Document
        do throws(Rejection) {
            visa = try Document(json)
            if let known, known.data == visa.data { return }
            if now.isClockSet, visa.time > now.wall + 600 { throw Rejection(.meta, "the visa is from the future") }
            try visa.check(about: id, meta: meta)
            if known?.key != nil, visa.key == nil { throw Rejection(.meta, "the visa lost its key") }
        } catch {
            return try reject(error, from: id, now)
        }
        if let known, visa.time <= known.time {
            guard visa.time < known.time else { return }
            counts.visasRolledBack += 1
            return try note(
                .visa, .warning, "an older visa of \(id) was shown and not taken", did: id, reason: "visa-rolled-back",
                now)
        }
        book.apply(.visa(visa, of: id))
        lookups[id.address]?.next = now.lived + policy.queryPatience
        if visa.isOfCulver, var contact = book.contact(id.address), !contact.isCulver {
            contact.isCulver = true
            book.apply(.contact(contact))
        }
    }

    /// Where the directory stays silent the peer itself is asked, by a broadcast that needs no key, once in 10 min.
    /// A lookup ends when there is a visa, or after 10 min when no message waits for it.
    mutating func askPeers(_ now: Moment) throws(LedgerError) {
        guard !rooms.isEmpty else { return }
        // Ours before strangers'.
        let ready = lookups.values.filter { now.lived >= $0.next }
            .sorted { ($0.isOurs ? 0 : 1, $0.id.text) < ($1.isOurs ? 0 : 1, $1.id.text) }
        for lookup in ready {
            let id = lookup.id
            let address = id.address
            let hasVisa = book.visa(of: id) != nil || (lookup.isDone && !lookup.isOurs)
            if hasVisa || now.lived >= lookup.since + 600,
                try ledger.waitingOutgoing(receiver: id.bare.text, after: 0, limit: 1).isEmpty
            {
                lookups[address] = nil
                effects.append(.leave(address))
                continue
            }
            lookups[address]?.next = now.lived + policy.queryInterval
            guard !hasVisa, let identity = book.identities.first else { continue }
            guard queries.take(at: now.lived) else {
                lookups[address]?.next = now.lived + 2
                continue
            }
            ask(id, identity, now)
        }
    }

    private mutating func ask(_ id: ID, _ identity: Identity, _ now: Moment) {
        let questions = [
            Content.metaCommand(about: id, meta: nil, sn: newSN(), time: now.wall),
            Content.documentCommand("documents", about: id, document: nil, meta: nil, sn: newSN(), time: now.wall),
        ]
        for question in questions {
            let packing = Packing(identity: identity, receiver: .anyone, recipients: [])
            counts.signatures += 1
            effects.append(
                .work(
                    Job(
                        lane: "ask \(id.address.text)",
                        work: .seal(
                            Sealing(packing: packing, content: question, purpose: .query(id))))))
        }
    }

    // MARK: - Contacts

    /// Whose message we take as a trusted one or under `open`: a contact's meta is kept, a stranger becomes known.
    /// What waited for the meta, or for the attached visa, goes on.
    mutating func meet(_ id: ID, _ meta: Meta, visa: JSON?, _ now: Moment) throws(LedgerError) {
        if book.contact(id.address) == nil { book.apply(.contact(Contact(id: id.bare, trust: .stranger))) }
        if book.meta(of: id) == nil {
            book.apply(.meta(meta, of: id))
            try takeWaitingVisa(of: id, now)
            unpark(id, isVerified: false)
        }
        guard let visa else { return }
        try learnVisa(visa, of: id, meta: meta, now)
        try release(id, now)
    }

    mutating func befriend(_ id: ID, _ now: Moment) throws(LedgerError) {
        if var contact = book.contact(id.address) {
            if contact.trust == .stranger { contact.trust = .contact }
            contact.isBlocked = false
            book.apply(.contact(contact))
        } else {
            book.apply(.contact(Contact(id: id.bare, trust: .contact)))
        }
        unpark(id, isVerified: true)
        try release(id, now)
        if book.visa(of: id) == nil { lookUp(id, now) }
    }

    mutating func forget(_ id: ID, _ now: Moment) throws(LedgerError) {
        book.apply(.forget(id.address))
        for identity in book.identities {
            try ledger.apply(.forgetAccepted(owner: identity.id.address.text, sender: id.address.text))
        }
        try dropParked(of: id)
        if lookups.removeValue(forKey: id.address) != nil { effects.append(.leave(id.address)) }
    }
}
