import DIMP
import Records

/// Messages that wait for their sender's meta, or for the owner's word about a stranger (extensions.md 4). They stay parked
/// until the turn that takes or refuses them: a stock peer does not say anything twice. One that came in a forward is parked
/// by itself, and is a message like any other from then on.
struct Parking {
    /// Senders whose parked messages take the way in, the first one now.
    private var releases: [Readmission] = []

    private struct Readmission {
        var sender: ID
        var isVerified: Bool
        /// A meta that was found meanwhile and is kept nowhere: it travels with the messages.
        var meta: Meta?
        /// The number of the last message that took the way in.
        var after: Int64 = 0
    }

    /// Some may take the way in.
    var isReleasing: Bool { !releases.isEmpty }

    /// Parks a message, unless it is parked in this way already. Looks for the sender's meta if that is what it waits for.
    func park(
        _ arrival: Arrival, isVerified: Bool, lookups: inout Lookups, in context: inout Context
    ) throws(LedgerError) {
        let sender = arrival.sender
        if arrival.parked?.isVerified != isVerified {
            try leave(arrival.parked, in: context)
            let isNew = try context.ledger.parked(
                sender: sender.address, isVerified: isVerified, after: 0, limit: 1
            ).isEmpty
            try context.ledger.apply(
                .park(
                    Parked(
                        isVerified: isVerified, sender: sender.bare,
                        receiver: arrival.owner, wire: arrival.wire,
                        digest: arrival.message.digest, received: context.recordedTime, since: context.now.lived)))
            if isVerified, isNew {
                try context.note(
                    .request, level: .info, text: "\(sender) wants to talk to us", did: sender, reason: "stranger")
            }
        }
        if !isVerified {
            lookups.lookUp(sender, isWanted: context.book.contact(sender.address) != nil, in: &context)
        }
    }

    /// It was taken, refused, or parked elsewhere.
    func leave(_ parked: Arrival.ParkedAt?, in context: Context) throws(LedgerError) {
        if let parked { try context.ledger.apply(.unpark(number: parked.number)) }
    }

    /// Parked messages of a sender shall take the way in again.
    mutating func release(_ sender: ID, isVerified: Bool, attaching meta: Meta? = nil) {
        let index = releases.firstIndex { $0.sender.address == sender.address && $0.isVerified == isVerified }
        guard let index else {
            return releases.append(Readmission(sender: sender, isVerified: isVerified, meta: meta))
        }
        releases[index].meta = meta ?? releases[index].meta
    }

    /// What was on its way in when the power was cut, or found no room, tries again.
    mutating func releaseAll(lookups: inout Lookups, in context: inout Context) throws(LedgerError) {
        for sender in try context.ledger.parkedSenders(isVerified: false, limit: Tuning.unverifiedSenders) {
            if context.book.knownMeta(of: sender) != nil {
                release(sender, isVerified: false)
            } else {
                lookups.lookUp(sender, isWanted: false, in: &context)
            }
        }
        for sender in try context.ledger.parkedSenders(isVerified: true, limit: Tuning.verifiedSenders)
        where context.policy.strangers == .open || context.book.isTrusted(sender) {
            release(sender, isVerified: true)
        }
    }

    mutating func drop(of sender: ID, in context: Context) throws(LedgerError) {
        releases.removeAll { $0.sender.address == sender.address }
        try context.ledger.apply(.unparkAll(sender: sender.address))
    }

    /// The next message that takes the way in; `nil` when there is none, or the turn has had enough. `looks` counts what is
    /// looked at in this turn.
    mutating func next(admission: Admission, looks: inout Int, in context: Context) throws(LedgerError) -> Arrival? {
        while looks < Tuning.unparkedInOneTurn, let first = releases.first, admission.hasRoomForParked {
            looks += 1
            let parked = try context.ledger.parked(
                sender: first.sender.address, isVerified: first.isVerified, after: first.after, limit: 1)
            guard let parked = parked.first else {
                releases.removeFirst()
                continue
            }
            releases[0].after = parked.number
            guard !admission.isInFlight(parked: parked.number) else { continue }
            if let arrival = arrival(of: parked, attaching: first.meta, in: context) { return arrival }
            try context.ledger.apply(.unpark(number: parked.number))
        }
        return nil
    }

    private func arrival(of parked: Parked, attaching meta: Meta?, in context: Context) -> Arrival? {
        guard var incoming = try? IncomingMessage(parsing: parked.wire, limits: context.policy.json) else { return nil }
        if let meta { incoming.message.meta = .object(meta.json) }
        let owners = context.book.identities.map(\.id)
        guard let message = try? incoming.addressed(to: owners, including: .broadcasts) else { return nil }
        return Arrival(
            message: message, wire: meta == nil ? parked.wire : incoming.message.json.bytes, depth: 0,
            parked: Arrival.ParkedAt(number: parked.number, isVerified: parked.isVerified))
    }

    /// When more can be taken, in seconds lived.
    func nextDue(admission: Admission, at now: Moment) -> Double? {
        if releases.isEmpty { return nil }
        return admission.hasRoomForParked ? now.lived : admission.nextParkedLost
    }
}
