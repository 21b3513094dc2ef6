import Crypto
import DIMP
import Format
import Records

/// Messages that wait for their sender's meta, or for the owner's word about a stranger (extensions.md 4 and culver.conf(5)).
/// They stay parked until the turn that takes or refuses them: a stock peer does not say anything twice.
extension Messenger {
    mutating func park(_ arrival: Arrival, isVerified: Bool, _ now: Moment) throws(LedgerError) {
        guard arrival.depth == 0 else { return }
        let sender = arrival.message.envelope.sender
        if arrival.parked?.isVerified != isVerified {
            try leaveParking(arrival)
            let isNew = try ledger.parked(sender: sender.address.text, isVerified: isVerified, limit: 1).isEmpty
            try ledger.apply(
                .park(
                    Parked(
                        isVerified: isVerified, sender: sender.bare.text,
                        receiver: arrival.message.envelope.receiver.text, wire: arrival.wire, digest: arrival.digest,
                        received: now.isClockSet ? now.wall : 0, since: now.lived)))
            if isVerified, isNew {
                try note(.request, .info, "\(sender) wants to talk to us", did: sender, reason: "stranger", now)
            }
        }
        if !isVerified { lookUp(sender, isOurs: book.contact(sender.address) != nil, now) }
    }

    /// It was taken, refused, or parked elsewhere.
    func leaveParking(_ arrival: Arrival) throws(LedgerError) {
        if let parked = arrival.parked { try ledger.apply(.unpark(number: parked.number)) }
    }

    /// Parked messages of a sender shall take the way in again; `meta` is one that was found meanwhile and belongs to no
    /// contact, so it travels with the message.
    mutating func unpark(_ sender: ID, isVerified: Bool, attaching meta: Meta? = nil) {
        let index = unparkings.firstIndex { $0.sender.address == sender.address && $0.isVerified == isVerified }
        guard let index else {
            return unparkings.append(Unparking(sender: sender, isVerified: isVerified, meta: meta, after: 0))
        }
        unparkings[index].meta = meta ?? unparkings[index].meta
    }

    /// What was on its way in when the power was cut, or found no room, tries again.
    mutating func unparkAll(_ now: Moment) throws(LedgerError) {
        for sender in try ledger.parkedSenders(isVerified: false, limit: 64).compactMap({ ID($0) }) {
            if knownMeta(of: sender) != nil {
                unpark(sender, isVerified: false)
            } else {
                lookUp(sender, isOurs: false, now)
            }
        }
        for sender in try ledger.parkedSenders(isVerified: true, limit: 1000).compactMap({ ID($0) })
        where policy.strangers == .open || isTrusted(sender) {
            unpark(sender, isVerified: true)
        }
    }

    mutating func dropParked(of sender: ID) throws(LedgerError) {
        unparkings.removeAll { $0.sender.address == sender.address }
        try ledger.apply(.unparkAll(sender: sender.address.text))
    }

    /// A few at a time, because each may be large and may need a private key.
    mutating func unparkMore(_ now: Moment) throws(LedgerError) {
        underway = underway.filter { now.lived < $0.value + 60 }
        for _ in 0..<Self.unparkedInOneTurn {
            guard let unparking = unparkings.first, underway.count < Self.unparkedAtOnce else { return }
            let parked = try ledger.parked(
                sender: unparking.sender.address.text, isVerified: unparking.isVerified, after: unparking.after,
                limit: 1)
            guard let parked = parked.first else {
                unparkings.removeFirst()
                continue
            }
            unparkings[0].after = parked.number
            if underway[parked.number] == nil { try admit(parked, attaching: unparking.meta, now) }
        }
    }

    private mutating func admit(_ parked: Parked, attaching meta: Meta?, _ now: Moment) throws(LedgerError) {
        guard var message = try? ReliableMessage(parsing: parked.wire, limits: policy.json),
            let owner = owner(of: message)
        else {
            return try ledger.apply(.unpark(number: parked.number))
        }
        if let meta { message.meta = .object(meta.json) }
        try admit(
            Arrival(
                message: message, wire: meta == nil ? parked.wire : message.json.bytes,
                digest: Digest.sha256(message.secure.data), owner: owner.id.address, depth: 0,
                parked: Arrival.Topic(number: parked.number, isVerified: parked.isVerified)), now)
    }

    private func owner(of message: ReliableMessage) -> Identity? {
        let receiver = message.envelope.receiver
        return receiver.isBroadcast ? book.identities.first : book.identity(receiver.address)
    }

    /// When more can be taken, in seconds lived.
    func nextUnparking(_ now: Moment) -> Double? {
        if unparkings.isEmpty { return nil }
        return underway.count < Self.unparkedAtOnce ? now.lived : underway.values.min().map { $0 + 60 }
    }

    private static var unparkedAtOnce: Int { 4 }
    private static var unparkedInOneTurn: Int { 8 }

    /// A sender whose parked messages take the way in, and the number of the last that did.
    struct Unparking {
        var sender: ID
        var isVerified: Bool
        var meta: Meta?
        var after: Int64
    }
}
