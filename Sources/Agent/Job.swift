import Crypto
package import DIMP
import Format
package import Records

/// Key work for the pool: values in, a value out, on any thread. Results of one lane come back in the order in which
/// the jobs were given.
package struct Job: Sendable {
    package var lane: String
    package var work: Work

    package indirect enum Work: Sendable {
        case seal(Sealing)
        case verify(Verifying)
        case unwrap(Unwrapping)
        /// Looks for the sender's meta in a message that may be the answer to our question for it.
        case lookInside(Arrival, owner: Identity)
        case state(StatementSigning)
        /// A visa of ours.
        case renew(VisaSigning)
        /// Cards of another entity.
        case check(CardCheck)
        /// What stands on the topic `state` of one of ours, or of a contact.
        case inspect(StatementCheck)
    }

    /// Bytes of a message or card on its way in that are held for it.
    package var weight: Int {
        switch work {
        case .seal, .state, .renew: 0
        case .verify(let verifying): verifying.arrival.wire.count
        case .unwrap(let unwrapping): unwrapping.arrival.wire.count
        case .lookInside(let arrival, _): arrival.wire.count
        case .check(let check): check.weight
        case .inspect(let check): check.bytes.count
        }
    }

    /// Does the work. Slow: a private-key operation, or public ones for `verify`, `check` and `inspect`. `clock` counts
    /// seconds of the processor, for budgets; a caller that leaves it out has no such budget.
    package func done(clock: () -> Double = { 0 }) -> Input {
        let begun = clock()
        switch work {
        case .seal(let sealing):
            return .sealed(sealing, Result { () throws(CryptoError) in try sealing.sealed() })
        case .verify(var verifying):
            let result = Result { () throws(Rejection) in try verifying.verified() }
            verifying.seconds = clock() - begun
            return .verified(verifying, result)
        case .unwrap(var unwrapping):
            let result = Result { () throws(Rejection) in
                try unwrapping.message.unwrapped(with: unwrapping.owner.decryptionKeys)
            }
            unwrapping.seconds = clock() - begun
            return .unwrapped(unwrapping, result)
        case .lookInside(let arrival, let owner):
            return .lookedInside(arrival, arrival.message.metaInside(with: owner.decryptionKeys))
        case .state(let signing):
            return .signed(signing, try? signing.statement.signed(by: signing.identity, with: signing.others))
        case .renew(let signing):
            return .renewed(signing, try? signing.identity.visa(saying: signing.abilities, time: signing.time))
        case .check(let check): return .checked(check, check.checked())
        case .inspect(let check): return .inspected(check, Statement(check.bytes, by: check.signer, meta: check.meta))
        }
    }
}

/// An outgoing message to seal: rows of the outbox, or something that is sent once and never repeated.
package struct Sealing: Sendable {
    package var packing: Packing
    package var content: SealedContent
    package var purpose: Purpose

    package enum SealedContent: Sendable {
        case whole(Content)
        /// That of the only draft, or an array of those of all (extensions.md 5) with this `sn` and this time. `stream`:
        /// that of their numbers; `nil` for a receiver that is no culver agent.
        case ofDrafts(stream: String?, sn: Int64, time: Double)
    }

    package enum Purpose: Sendable {
        /// One row of the outbox, or several that share the message.
        case message([Draft])
        /// One, or several for one peer under one signature.
        case receipts([AcceptedRecord])
        /// Answers to queries and handshakes.
        case courtesy
        /// A broadcast that is not published: a command about a group, which forwards carry.
        case groupCommand(GroupOrder)
        /// A broadcast that is laid on one peer's topic: it asks for that peer's card.
        case query(ID)
    }

    func sealed() throws(CryptoError) -> Packing.Packed {
        switch (content, purpose) {
        case (.whole(let content), _): return try packing.seal(content)
        case (.ofDrafts(let stream, let sn, let time), .message(let drafts)):
            let contents = drafts.compactMap { $0.content(in: stream) }
            guard contents.count == drafts.count, let first = contents.first else { break }
            if contents.count == 1 { return try packing.seal(first) }
            let inside = JSON.array(contents.map { .object($0.json) })
            return try packing.seal(Content(type: .array, sn: sn, time: time, ["batch": true, "contents": inside]))
        default: break
        }
        throw .unreadable
    }
}

/// A message whose signature is to be checked, with what is attached to it as far as that matters.
package struct Verifying: Sendable {
    package var arrival: Arrival
    /// The known one; `nil`: the attached one is to vouch for the sender.
    package var meta: Meta?
    /// The attached visa may become known.
    package var checksVisa: Bool
    /// What it took.
    var seconds = 0.0

    /// The attached visa is looked at where it may become known, because its sender is trusted or welcome as a stranger, and
    /// where an answer may go to the key in it, because it came with a question.
    init(_ arrival: Arrival, in context: Context) {
        let sender = arrival.sender
        let visa = arrival.message.message.visa?["data"]?.string
        let known = [context.book.visa(of: sender)].compactMap { $0 } + context.book.deviceVisas(of: sender)
        let isNews = visa != nil && !known.contains { $0.data == visa }
        let isWelcome =
            context.book.isTrusted(sender) || context.policy.strangers == .open
            || arrival.message.envelope.isBroadcast
        self.arrival = arrival
        meta = context.book.knownMeta(of: sender)
        checksVisa = isNews && isWelcome && !context.book.isOurs(sender.address)
    }

    /// Public-key operations that this takes.
    var operations: Int { (meta == nil ? 2 : 1) + (checksVisa ? 1 : 0) }
    /// One RSA operation, which is quicker than the way to the pool and back.
    var isQuick: Bool { meta?.key.encryption != nil && !checksVisa }

    func verified() throws(Rejection) -> Verified {
        guard let meta = try arrival.message.meta(known: meta) else {
            throw Rejection(.meta, "the sender's meta is not known")
        }
        return Verified(message: try arrival.message.verified(by: meta), visa: checkedVisa(meta))
    }

    private func checkedVisa(_ meta: Meta) -> Result<Document, Rejection>? {
        guard checksVisa else { return nil }
        return Result { () throws(Rejection) in
            let visa = try Document(arrival.message.message.visa)
            try visa.check(about: arrival.sender, meta: meta)
            return visa
        }
    }
}

/// A message with a good signature.
package struct Verified: Sendable {
    package var message: VerifiedMessage
    /// The attached visa, signed by the sender or not; `nil` when it was not looked at.
    package var visa: Result<Document, Rejection>?
}

/// A verified message whose key is to be unwrapped.
package struct Unwrapping: Sendable {
    package var arrival: Arrival
    package var message: VerifiedMessage
    package var owner: Identity
    /// What it took.
    var seconds = 0.0

    /// Private-key operations that this takes: all keys are tried, whatever comes of the first.
    var operations: Int { message.secure.wrappedKeys(for: owner.id).count * owner.decryptionKeys.count }
}
