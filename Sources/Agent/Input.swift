package import Crypto
package import DIMP

/// What happened.
package enum Input: Sendable {
    /// A local program wants a message sent.
    case submitted(Submission)
    /// A local program no longer wants a message delivered.
    case cancelled(id: String, token: UInt64)
    /// The pool has sealed, verified or unwrapped.
    case sealed(Sealing, Result<Packing.Packed, CryptoError>)
    case verified(Verifying, isGood: Bool)
    case unwrapped(Unwrapping, Result<Unwrapped, Rejection>)
    /// Bytes on a topic `in` of ours.
    case arrived([UInt8], at: Address, isRetained: Bool)
    /// Bytes on a retained topic of somebody, perhaps ours.
    case found(Topic, [UInt8], broker: String)
    case linked(broker: String, room: Int)
    case unlinked(broker: String)
    /// The broker's word about a parcel.
    case acknowledged(UInt64, Outcome)
    /// There is room again for so many parcels.
    case room(broker: String, Int)
    /// The owner's word about a stranger or a contact.
    case befriended(ID)
    case refusedStranger(ID)
    case forgot(ID)
    /// An identity was made or removed: its topics are to be kept or left.
    case identitiesChanged
    /// An identity is gone: its messages fail, so many at a time.
    case identityGone(ID)
    /// Before the first broker: this run of the daemon, when it and the one before it began (seconds since 1970).
    case started(boot: String, at: Double, last: Double)
    /// The books were found to be a copy, or restored.
    case restored
    /// Nothing, but time has passed.
    case ticked
}

package enum Outcome: Sendable, Equatable {
    case taken
    /// MQTT 5's 0x10: nobody is subscribed.
    case nobody
    case refused(String)
}

extension Input {
    /// Bytes of a message or card on its way in that are held for it.
    package var weight: Int {
        switch self {
        case .arrived(let bytes, _, _), .found(_, let bytes, _): bytes.count
        case .verified(let verifying, _): verifying.arrival.wire.count
        case .unwrapped(let unwrapping, _): unwrapping.arrival.wire.count
        default: 0
        }
    }
}
