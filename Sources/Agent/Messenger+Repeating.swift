import Crypto
import DIMP
import Format
import Records

/// Sending what is due, and again until the receipt.
extension Messenger {
    /// Sends what is due, as far as the brokers take it.
    mutating func pump(_ now: Moment) throws(LedgerError) {
        let waiting = backlog
        backlog = []
        for errand in waiting { dispatch(errand) }
        var left = room
        if left == 0 {
            for row in try ledger.expiredOutgoing(at: now.lived, limit: 100) { try expire(row, now) }
        }
        while left > 0 {
            let rows = try ledger.dueOutgoing(at: now.lived, limit: left)
            for row in rows { try attempt(row, now) }
            if rows.count < left || room == left { return }
            left = room
        }
    }

    private var room: Int { rooms.values.reduce(0) { $0 + max(0, $1) } }

    private mutating func attempt(_ row: Outgoing, _ now: Moment) throws(LedgerError) {
        if now.lived >= row.expires { return try expire(row, now) }
        guard let receiver = ID(row.receiver), let sender = ID(row.sender),
            let identity = book.identity(sender.address)
        else { return try end(row, .failed, "unknown-identity", now) }
        guard row.state != .waiting else { return try resume(row, receiver, identity, now) }
        if row.state == .published, isOnce(receiver) {
            lookUp(receiver, now)
            return try ledger.apply(.outgoing(rested(row, receiver, now)))
        }
        guard let broker = freeBroker(attempt: row.attempts) else { return }
        if isOnce(receiver), let tried = try ledger.value(key: tryKey(row)).flatMap(Double.init),
            now.lived >= tried + Self.doubt
        {
            return try end(row, .failed, "unacknowledged", now)
        }
        var row = row
        guard let wire = repeated(row, receiver, identity) else {
            // The contact is gone, and its keys with it.
            row.due = min(row.expires, now.lived + policy.longestPause)
            lookUp(receiver, now)
            return try ledger.apply(.outgoing(row))
        }
        row.attempts += 1
        if row.attempts > 1 { counts.repeats += 1 }
        row.due = min(row.expires, pause(after: row.attempts, now))
        try ledger.apply(.outgoing(row))
        try rememberTry(row, receiver, now)
        // The peer may have other keys by now.
        if row.attempts > 2 { lookUp(receiver, now) }
        dispatch(
            PendingPublication(
                place: .inbox(receiver.address), payload: wire, purpose: .message(id: row.id),
                expiry: remaining(row, now), broker: broker))
    }

    private mutating func expire(_ row: Outgoing, _ now: Moment) throws(LedgerError) {
        if row.state == .published, let receiver = ID(row.receiver), isOnce(receiver) {
            return try ledger.apply(.outgoing(rested(row, receiver, now)))
        }
        try end(row, .expired, "expired", now)
    }

    /// A waiting row whose time has come: sealed if a key is there, looked up again if not.
    private mutating func resume(
        _ row: Outgoing, _ receiver: ID, _ identity: Identity, _ now: Moment
    ) throws(LedgerError) {
        var row = row
        let isReady = receiver.isBroadcast || isReady(receiver, now)
        if !isReady { lookUp(receiver, now) }
        row.due = min(row.expires, isReady ? now.lived + policy.longestPause : nextLook(receiver, now))
        try ledger.apply(.outgoing(row))
        guard isReady, !pooled.contains(row.id) else { return }
        guard roomForRelease > 0, releases[receiver.address] == nil else {
            // The others before it are not sealed yet.
            if releases[receiver.address] == nil { releases[receiver.address] = Release(id: receiver) }
            return
        }
        released[row.id] = row.content.utf8.count
        try seal(row, to: receiver, identity, tokens: [], now)
    }

    /// Everything that waited for this receiver's key, in order, and only so much at a time as the pool has at hand.
    mutating func release(_ receiver: ID, _ now: Moment) throws(LedgerError) {
        guard book.visa(of: receiver) != nil, book.encryptionKey(of: receiver) != nil else { return }
        if releases[receiver.address] == nil { releases[receiver.address] = Release(id: receiver) }
        try releaseMore(now)
    }

    mutating func releaseMore(_ now: Moment) throws(LedgerError) {
        for (address, release) in releases {
            guard roomForRelease > 0 else { return }
            let rows = try ledger.waitingOutgoing(
                receiver: release.id.bare.text, after: release.last, limit: roomForRelease)
            for row in rows {
                releases[address]?.last = row.order
                try start(row, release.id, now)
            }
            if rows.isEmpty || !isReady(release.id, now) { releases[address] = nil }
        }
    }

    private mutating func start(_ row: Outgoing, _ receiver: ID, _ now: Moment) throws(LedgerError) {
        if now.lived >= row.expires { return try end(row, .expired, "expired", now) }
        guard !pooled.contains(row.id), let sender = ID(row.sender), let identity = book.identity(sender.address),
            isReady(receiver, now)
        else { return }
        var row = row
        row.due = min(row.expires, now.lived + policy.longestPause)
        try ledger.apply(.outgoing(row))
        released[row.id] = row.content.utf8.count
        try seal(row, to: receiver, identity, tokens: [], now)
    }

    /// The pool is done with a message; when it was one that had waited, and half of them are, the next begin.
    mutating func goOn(after row: Outgoing, _ now: Moment) throws(LedgerError) {
        guard released.removeValue(forKey: row.id) != nil, roomForRelease >= Self.releasedAtOnce / 2 else { return }
        try releaseMore(now)
    }

    /// None while what the pool has is long.
    private var roomForRelease: Int {
        released.values.reduce(0, +) < 2 << 20 ? Self.releasedAtOnce - released.count : 0
    }

    private static var releasedAtOnce: Int { 32 }

    /// The same ciphertext and signature; keys, meta and visa as they are today.
    private func repeated(_ row: Outgoing, _ receiver: ID, _ identity: Identity) -> [UInt8]? {
        guard let sealed = row.sealed, let json = try? JSON(parsing: row.content), let content = try? Content(json)
        else { return nil }
        let envelope = Envelope(
            sender: identity.id, receiver: receiver, time: content.time,
            group: content.group, type: content.type)
        var secure = SecureMessage(
            envelope: envelope, data: sealed.data, iv: sealed.iv.isEmpty ? nil : sealed.iv, keys: [])
        if !sealed.key.isEmpty {
            guard let public_ = book.encryptionKey(of: receiver)?.encryption, let text = try? JSON(parsing: sealed.key),
                let key = try? SymmetricKey(text)
            else { return nil }
            let packing = Packing(identity: identity, receiver: receiver, recipients: [(receiver, public_)])
            if let known = book.sendingKey(from: identity.id, to: receiver), known.key == key,
                known.wrappedFor == Digest.sha256(public_.der)
            {
                secure.keys = [SecureMessage.WrappedKey(receiver: receiver.bare.text, bytes: known.wrapped)]
            } else {
                guard let wrapped = try? packing.wrap(key) else { return nil }
                secure.keys = wrapped
            }
        }
        return wire(ReliableMessage(secure: secure, signature: sealed.signature), identity, to: receiver)
    }

    /// With our meta and visa, until this peer has shown that it knows us.
    func wire(_ message: ReliableMessage, _ identity: Identity, to receiver: ID) -> [UInt8] {
        var message = message
        // It may have another visa by now than when the pool began.
        let identity = book.identity(identity.id.address) ?? identity
        if book.contact(receiver.address)?.knowsUs != true {
            message.meta = .object(identity.meta.json)
            message.visa = .object(identity.visa.json)
        }
        return message.json.bytes
    }

    /// A peer that would show a repeat as another message.
    func isOnce(_ receiver: ID) -> Bool { receiver.isBroadcast || !isCulver(receiver) }

    /// Seconds after the first try without any word of a broker in which a stock peer is sent to again: it may have
    /// the message (extensions.md 5).
    private static var doubt: Double { 4 * 3600 }

    private func tryKey(_ row: Outgoing) -> String { "tried \(row.id)" }

    func rememberTry(_ row: Outgoing, _ receiver: ID, _ now: Moment) throws(LedgerError) {
        guard isOnce(receiver), try ledger.value(key: tryKey(row)) == nil else { return }
        try ledger.apply(.value(key: tryKey(row), String(now.lived)))
    }

    /// A broker's word, or the end: there is no doubt.
    func forgetTry(_ row: Outgoing) throws(LedgerError) {
        guard try ledger.value(key: tryKey(row)) != nil else { return }
        try ledger.apply(.value(key: tryKey(row), nil))
    }

    /// Doubles from the configured time-out up to `longestPause`.
    func pause(after attempts: Int, _ now: Moment) -> Double {
        let factor = Double(1 << min(max(attempts - 1, 0), 16))
        return now.lived + min(policy.receiptTimeout * factor, max(policy.longestPause, policy.receiptTimeout))
    }

    func remaining(_ row: Outgoing, _ now: Moment) -> UInt32 {
        UInt32(max(1, min(row.expires - now.lived, 14 * 86_400)))
    }

    /// Each attempt takes the next broker: nobody says on which of them a peer is.
    func freeBroker(attempt: Int = 0) -> String? {
        let free = rooms.keys.filter { (rooms[$0] ?? 0) > 0 }.sorted()
        return free.isEmpty ? nil : free[attempt % free.count]
    }

    /// Publishes on the errand's broker. Without one it is a courtesy or a receipt, which goes to every broker; where
    /// there is no room it is kept for later. Rows of the outbox are not kept: they stay due.
    mutating func dispatch(_ errand: PendingPublication) {
        guard let broker = errand.broker else {
            for broker in rooms.keys.sorted() {
                var copy = errand
                copy.broker = broker
                dispatch(copy)
            }
            return
        }
        guard let room = rooms[broker] else { return }
        guard room > 0 else {
            if case .message = errand.purpose { return }
            if backlog.count < 256 { backlog.append(errand) } else { counts.courtesiesDropped += 1 }
            return
        }
        rooms[broker] = room - 1
        let number = nextParcel
        nextParcel += 1
        var errand = errand
        let payload = errand.payload
        errand.payload = []
        parcels[number] = errand
        effects.append(
            .publish(
                Publication(
                    number: number, broker: broker, place: errand.place, payload: payload, expiry: errand.expiry)))
    }
}
