/// A thing to write down. All changes of one turn of the loop are one transaction (culver.conf(5)).
package enum Change: Sendable, Equatable {
    /// Inserts or replaces by `id`; a new row gets the next `order`.
    case outgoing(Outgoing)
    /// Inserts; gets the next `seq`.
    case incoming(Incoming)
    /// Inserts or replaces by owner, sender and digest.
    case accepted(AcceptedRecord)
    /// The contact is gone: forgets the digests of its messages without a time. Those with one stay until they are too
    /// old to be taken, so that nothing is taken twice.
    case forgetAccepted(owner: String, sender: String)
    /// Parks, unless the same digest of the same sender is parked already, within the limits of culver.conf(5):
    /// the largest sender loses its oldest first.
    case park(Parked)
    case unpark(number: Int64)
    /// Everything of this sender address.
    case unparkAll(sender: String)
    case event(EventRecord)
    /// A small named value: counters, sequence streams, the time lived.
    case value(key: String, String?)
    /// Every named value whose key begins so.
    case forgetValues(prefix: String)
}
