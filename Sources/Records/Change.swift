package import DIMP

/// A thing to write down. All changes of one turn are one transaction (architecture.md).
package enum Change: Sendable, Equatable {
    /// Inserts or replaces by `id`; a new row gets the next `order`. Its content is written once, with the new row.
    case outgoing(Outgoing)
    /// Inserts a shipment and its rows, which point to it, in this order. Rows with an `order` are there already and are
    /// replaced by `id`.
    case sealed(Shipment, Shipment.Ciphertext, [Outgoing])
    /// How often the shipment was tried, when it is due, and whether it is held.
    case attempted(Shipment)
    /// All rows of a shipment that have the state of the first become what the second is: `state`, `reason`, `published`
    /// unless they have it already, and `delivered`. One statement, however many they are.
    case moved(from: Outgoing, to: Outgoing)
    /// Inserts; gets the next `seq`.
    case incoming(Incoming)
    /// Inserts or replaces by owner, sender and digest.
    case accepted(AcceptedRecord)
    /// A broker has taken the receipt for this message: it is owed no more.
    case receipted(owner: Address, sender: Address, digest: [UInt8])
    /// The contact is gone: forgets the digests of its messages without a time. Those with one stay until they are too
    /// old to be taken, so that nothing is taken twice.
    case forgetAccepted(owner: Address, sender: Address)
    /// Parks, unless the same digest of the same sender is parked already, within the limits (culver.conf(5)): the
    /// largest sender loses its oldest first.
    case park(Parked)
    case unpark(number: Int64)
    /// Everything of this sender.
    case unparkAll(sender: Address)
    case event(EventRecord)
    /// Inserts a call that was made here, or gives it its answer.
    case served(ServedCall)
    /// Inserts or replaces by `call`.
    case calling(Calling)
    /// Inserts; the first of each part stays.
    case answered(CallAnswer)
    /// The next line.
    case audit(AuditLine)
    /// Inserts a message of a bridge, or replaces the one with its `place`.
    case bridged(BridgedMessage)
    /// It came to its end: the next of its topic may go.
    case bridgedEnded(place: Int64)
    /// All rows of a bridge.
    case forgetBridge(String)
    /// Inserts or replaces by key. Pieces go that were taken, and all of a pipe that is over. Of those that are over the
    /// newest 256 stay.
    case pipe(PipeRecord)
    /// With its pieces.
    case forgetPipe(PipeRecord.PipeKey)
    /// Inserts; the first of each number stays. Without its pipe nothing happens.
    case piece(PipePiece)
    /// A small named value; `nil` removes it.
    case value(LedgerKey, String?)
    case forgetValues(LedgerKey.Family)
}
