import Crypto
package import DIMP
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
        case state(StatementSigning)
    }

    /// Bytes of a message on its way in that are held for it.
    package var weight: Int {
        switch work {
        case .seal, .state: 0
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
                Result { () throws(Rejection) in try verifying.arrival.message.verified(by: verifying.meta) })
        case .unwrap(let unwrapping):
            .unwrapped(
                unwrapping,
                Result { () throws(Rejection) in
                    try unwrapping.message.unwrapped(with: unwrapping.owner.decryptionKeys)
                })
        case .state(let signing):
            .signed(signing, try? signing.statement.signed(by: signing.identity, with: signing.others))
        }
    }
}

/// An outgoing message to seal: a row of the outbox, or something that is sent once and never repeated.
package struct Sealing: Sendable {
    package var packing: Packing
    package var content: Content
    package var purpose: Purpose

    package enum Purpose: Sendable {
        /// The row, and the callers that wait for its number.
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
}

/// A verified message whose key is to be unwrapped.
package struct Unwrapping: Sendable {
    package var arrival: Arrival
    package var message: VerifiedMessage
    package var owner: Identity
}
