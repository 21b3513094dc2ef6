import Crypto
package import DIMP
package import Records

/// Key work for the pool: values in, a value out, on any thread. Results of one lane come back in the order in which
/// the jobs were given.
package struct Job: Sendable {
    package var lane: String
    package var work: Work

    package enum Work: Sendable {
        case seal(Sealing)
        case verify(Verifying)
        case unwrap(Unwrapping)
    }

    /// Bytes of a message on its way in that are held for it.
    package var weight: Int {
        switch work {
        case .seal: 0
        case .verify(let verifying): verifying.arrival.wire.count
        case .unwrap(let unwrapping): unwrapping.arrival.wire.count
        }
    }

    /// Does the work. Slow: a private-key operation, or a public one for `verify`.
    package func done() -> Input {
        switch work {
        case .seal(let sealing):
            .sealed(sealing, Result { () throws(CryptoError) in try sealing.packing.seal(sealing.content) })
        case .verify(let verifying):
            .verified(
                verifying,
                isGood: (try? verifying.message.verified(by: verifying.meta, digest: verifying.arrival.digest)) != nil)
        case .unwrap(let unwrapping):
            .unwrapped(
                unwrapping,
                Result { () throws(Rejection) in
                    let secure = unwrapping.arrival.message.secure
                    let (key, wrapped, secret) = try secure.unwrapped(
                        for: unwrapping.owner.id, with: unwrapping.owner.decryptionKeys)
                    return Unwrapped(key: key, wrapped: wrapped, isByNewest: secret == 0)
                })
        }
    }
}

/// An outgoing message to seal: a row of the outbox, or something that is sent once and never repeated.
package struct Sealing: Sendable {
    package var packing: Packing
    package var content: Content
    package var purpose: Purpose

    package enum Purpose: Sendable {
        /// The row, and who waits for its number.
        case message(Outgoing, tokens: [UInt64])
        /// One, or several for one peer under one signature.
        case receipts([AcceptedRecord])
        /// Answers to queries and handshakes.
        case courtesy
        /// A broadcast that is laid on one peer's topic: it asks for that peer's card.
        case query(ID)
    }
}

/// A message whose signature is to be checked.
package struct Verifying: Sendable {
    package var arrival: Arrival
    package var meta: Meta
    var message: ReliableMessage { arrival.message }
}

/// A verified message whose key is to be unwrapped.
package struct Unwrapping: Sendable {
    package var arrival: Arrival
    package var owner: Identity
}

package struct Unwrapped: Sendable {
    package var key: SymmetricKey
    package var wrapped: [UInt8]
    /// It was wrapped for the key of our present visa.
    package var isByNewest: Bool
}

/// A message on its way in.
package struct Arrival: Sendable {
    package var message: ReliableMessage
    /// As it came, for parking.
    package var wire: [UInt8]
    package var digest: [UInt8]
    package var owner: Address
    /// How many forwards it came in.
    package var depth: Int
    /// Where it is parked, if it was: there it stays until it is taken or refused.
    package var parked: Topic?

    package struct Topic: Sendable {
        package var number: Int64
        package var isVerified: Bool
    }
}
