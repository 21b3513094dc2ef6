package import Crypto
package import DIMP

/// What happened.
package indirect enum Input: Sendable {
    /// A local program wants a message sent.
    case submitted(Submission)
    /// A local program no longer wants a message delivered.
    case cancelled(id: String, token: UInt64)
    /// The pool has sealed, verified or unwrapped.
    case sealed(Sealing, Result<Packing.Packed, CryptoError>)
    case verified(Verifying, Result<Verified, Rejection>)
    case unwrapped(Unwrapping, Result<MessageKey, Rejection>)
    /// The pool has looked for the sender's meta inside; `nil` when it is not there.
    case lookedInside(Arrival, Meta?)
    /// The pool has signed an answer to a start of another board; `nil` when it could not.
    case signed(StatementSigning, [UInt8]?)
    /// The pool has signed a visa of ours; `nil` when it could not.
    case renewed(VisaSigning, Document?)
    /// The pool has looked at cards.
    case checked(CardCheck, CardCheck.CheckedCards)
    /// The pool has looked at a statement; `nil` when it is none of that identity.
    case inspected(StatementCheck, Statement?)
    /// Bytes on a topic `in` of ours.
    case arrived([UInt8], at: Address)
    /// Bytes on a topic `ack` of ours.
    case confirmed([UInt8], at: Address)
    /// Bytes on a retained topic of somebody, perhaps ours.
    case found(Topic, [UInt8], broker: String)
    /// A broker is connected, and takes so many unacknowledged publications, of so many bytes if it says so.
    case linked(broker: String, room: Int, packetLimit: Int64? = nil)
    case unlinked(broker: String)
    /// A broker grants no subscription to the cards of another entity.
    case watchRefused(Address, broker: String)
    /// A broker grants no subscription to what a contact states of itself.
    case stateRefused(broker: String)
    /// Somebody asks how a contact is.
    case presenceWanted(ID)
    /// The broker's word about a publication.
    case acknowledged(UInt64, Outcome)
    /// The owner's word about a stranger or a contact.
    case befriended(ID)
    case refusedStranger(ID)
    case forgot(ID)
    /// An identity was made or removed: its topics are to be kept or left.
    case identitiesChanged
    /// An identity is gone: its messages fail, so many at a time.
    case identityGone(ID)
    /// Calls that others made here.
    case call(CallNews)
    /// Messages of local brokers, and what these say.
    case bridge(BridgeNews)
    /// What programs do with pipes.
    case pipe(PipeNews)
    /// Before the first broker: this run of the daemon, when it and the one before it began (seconds since 1970).
    case started(boot: String, at: Double, last: Double)
    /// What is stated on every connection from now on; `nil` without an identity.
    case presence(Presence?)
    /// The books were found to be a copy, or restored.
    case restored
    /// Something about a file in pieces.
    case file(FileEvent)
    /// Nothing, but time has passed.
    case ticked
}

package enum Outcome: Sendable, Equatable {
    case taken
    /// MQTT 5's 0x10: nobody is subscribed.
    case nobody
    case refused(String)
    /// It was not given to the broker: the connection is ending.
    case notNow
}

extension Input {
    /// Bytes of a message or card on its way in that are held for it.
    package var weight: Int {
        switch self {
        case .arrived(let bytes, _), .confirmed(let bytes, _), .found(_, let bytes, _): bytes.count
        case .verified(let verifying, _): verifying.arrival.wire.count
        case .unwrapped(let unwrapping, _): unwrapping.arrival.wire.count
        case .lookedInside(let arrival, _): arrival.wire.count
        case .checked(let check, _): check.weight
        case .file(.arrived(let bytes, _, _, _)), .file(.read(_, _, let bytes?)): bytes.count
        case .bridge(.arrived(let message, _)): message.payload.count
        default: 0
        }
    }
}

/// Now, on two clocks. The agent has none of its own: every input says when it happened.
package struct Moment: Sendable, Equatable {
    /// Seconds since 1970: the board's clock, or our best guess while that is unset.
    package var wall: Double
    /// False before the clock was set: then nothing is too old and nothing is pruned (extensions.md 6).
    package var isClockSet: Bool
    /// Seconds that this installation has lived, over all restarts. Never goes back; expiry and back-off count it.
    package var lived: Double

    package init(wall: Double, isClockSet: Bool = true, lived: Double) {
        self.wall = wall
        self.isClockSet = isClockSet
        self.lived = lived
    }
}
