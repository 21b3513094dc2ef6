import Format

/// A message whose content was read. Two checks remain: the seal, then the time.
package struct OpenedMessage: Sendable {
    package let verified: VerifiedMessage
    package let key: MessageKey
    package let content: Content

    init(verified: VerifiedMessage, key: MessageKey, content: Content) {
        self.verified = verified
        self.key = key
        self.content = content
    }

    package var sender: ID { verified.sender }
    package var owner: ID { verified.addressed.owner }
    package var digest: [UInt8] { verified.addressed.digest }
    package var envelope: Envelope { verified.envelope }

    // MARK: - Who and to whom, as far as it is proven (extensions.md 4)

    // The envelope is not signed: a terminal, the name before a broadcast address, and which of receiver and group is the
    // broadcast, may be anybody's addition.

    package var provenSender: ID { sender }

    /// The owner; of a broadcast the address that a seal agrees with, under the name that it is known by.
    package var provenReceiver: ID {
        guard envelope.isBroadcast else { return owner }
        let shared = envelope.target.isBroadcast ? envelope.target : envelope.receiver
        return shared.address == ID.everyone.address ? .everyone : .anyone
    }

    /// What the content says: a seal agrees with it, and what stands on the envelope alone proves nothing.
    package var provenGroup: ID? { content.group?.bare }

    package var instant: InstantMessage { InstantMessage(envelope: envelope, content: content) }
    package var isEncrypted: Bool { key.key != .plain }

    /// A list of muted or blocked IDs, or the question for one, from the owner itself: another device with the same identity
    /// (wire.md 7.1). That is stock software and does not seal.
    package var isOfOwnDevice: Bool {
        guard sender == owner, case .command(let command) = content.body else { return false }
        switch command {
        case .mute, .block: return true
        default: return false
        }
    }

    /// Step 14: whether the message is sealed (extensions.md 3). A seal that disagrees with the envelope is refused.
    /// So is a message without seal, a broadcast too, if `isRequired`: the caller knows that the sender seals what it
    /// writes.
    package func checkSeal(isRequired: Bool) throws(Rejection) -> Bool {
        let isSealed = try Seal.check(instant, iv: verified.secure.iv)
        guard isSealed || !isRequired else {
            throw Rejection(.seal, "a message without seal of a peer that seals")
        }
        return isSealed
    }

    /// Step 15: the content is neither from the future nor too old (extensions.md 6). `now` is in seconds since 1970.
    /// A caller whose clock is unset, or that only shows a message that somebody kept, leaves this step out.
    package func checkTime(at now: Double) throws(Rejection) {
        try content.checkTime(at: now)
    }
}

extension Content {
    /// The time, unless it is from before there was any agent (extensions.md 6): such a content is never too old.
    package var usableTime: Double? { time.flatMap { $0 >= ProtocolLimits.earliestContentTime ? $0 : nil } }

    /// Throws for a time that is ahead at `now`, in seconds since 1970.
    package func checkIsPast(at now: Double) throws(Rejection) {
        guard let time = usableTime, time > now + ProtocolLimits.contentAhead else { return }
        throw Rejection(.time, "the content is from the future")
    }

    /// Throws for a time that is ahead or too old at `now`, in seconds since 1970.
    package func checkTime(at now: Double) throws(Rejection) {
        guard let time = usableTime else { return }
        try checkIsPast(at: now)
        guard time >= now - ProtocolLimits.contentAge else {
            throw Rejection(.time, "the content is older than 31 days")
        }
    }
}
