package import DIMP

/// Entities, contacts and reused keys, for reading and writing. Like the ledger it shows at once what was learnt, and
/// writes it to disk before the turn's effects go out.
package protocol AddressBook: Barrack, KeyCache {
    /// Our own, the default one first.
    var identities: [Identity] { get }
    func contact(_ address: Address) -> Contact?
    func apply(_ change: AddressBookChange)
}

package enum AddressBookChange: Sendable {
    case contact(Contact)
    /// Checked: the meta vouches for the ID, the visa verifies and is the newest.
    case meta(Meta, of: ID)
    case visa(Document, of: ID)
    /// Contact, meta, visa and keys.
    case forget(Address)
    case sendingKey(ReusedKey, from: ID, to: ID)
    case receivedKey(SymmetricKey, from: ID, to: ID, wrapping: [UInt8])
    /// One more message went out, or came in, under a reused key.
    case usedSendingKey(from: ID, to: ID)
    case usedReceivedKey(from: ID, to: ID, wrapping: [UInt8])
}
