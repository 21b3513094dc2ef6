import Crypto
package import DIMP

/// Entities, contacts and reused keys, for reading and writing. Like the ledger it shows at once what was applied, and
/// writes it to disk before the turn's effects go out.
package protocol AddressBook: Barrack, KeyCache {
    /// Our own, the default one first.
    var identities: [Identity] { get }
    func contact(_ address: Address) -> Contact?
    /// The one that this board named so.
    func contact(named name: String) -> Contact?
    /// Those that are known only because they wrote under `open`, in any order.
    var strangers: [ID] { get }
    /// In any order; `nil` while they are not all known, after a start.
    var blocked: [ID]? { get }
    var muted: [ID]? { get }
    /// When the first reused key has lived for so long that it is to be destroyed, in seconds lived; `nil`: there is none.
    var nextKeyEnd: Double? { get }
    func group(_ address: Address) -> KnownGroup?
    /// In any order.
    var groups: [KnownGroup] { get }
    /// Whether an entity is a member of any of the groups, one of ours among its members or not.
    func isMember(_ address: Address) -> Bool
    /// What a group's own key has signed about it.
    func bulletin(of group: ID) -> Document?
    /// The owner wants no calls run, or whether that is so cannot be read.
    var areCallsOff: Bool { get }
    func apply(_ change: AddressBookChange)
}

package enum AddressBookChange: Sendable {
    case contact(Contact)
    /// Checked: the meta vouches for the ID.
    case meta(Meta, of: ID)
    /// By `AddressBook.keep` alone.
    case visa(Document, of: ID)
    /// A newer visa of an identity of ours, for the key that it has.
    case ownVisa(Document, of: ID)
    /// Contact, meta, visa and keys.
    case forget(Address)
    case sendingKey(ReusedKey, from: ID, to: ID)
    case receivedKey(SymmetricKey, from: ID, to: ID, wrapping: [UInt8])
    /// One more message went out, or came in, under a reused key.
    case usedSendingKey(from: ID, to: ID)
    case usedReceivedKey(from: ID, to: ID, wrapping: [UInt8])
    case group(KnownGroup)
    /// Checked: the meta vouches for the ID, and its key has signed the bulletin.
    case groupCard(Meta, Document, of: ID)
    case forgetGroup(Address)
    /// Reused keys whose life is over are destroyed, on disk too.
    case keysEnded
    case callsOff(Bool)
}

extension AddressBook {
    func isOurs(_ address: Address) -> Bool { identity(address) != nil }

    /// An identity of this board, a contact that passes `ask` and `closed`, or a member of a group of which one of ours is
    /// a member.
    func isTrusted(_ sender: ID) -> Bool {
        isPersonallyTrusted(sender) || (isMember(sender.address) && sharesGroup(sender))
    }

    private func sharesGroup(_ sender: ID) -> Bool {
        let own = identities.map(\.id)
        return groups.contains { group in
            group.membership.contains(sender) && own.contains { group.membership.contains($0) }
        }
    }

    /// The same without members: these speak in their groups alone.
    func isPersonallyTrusted(_ sender: ID) -> Bool {
        isOurs(sender.address) || contact(sender.address)?.isTrusted == true
    }

    func trust(in sender: ID) -> Contact.Trust {
        isOurs(sender.address) ? .verified : contact(sender.address)?.trust ?? .stranger
    }

    func isCulver(_ id: ID) -> Bool {
        contact(id.address)?.isCulver == true || visa(of: id)?.isOfCulver == true
    }

    /// What the newest visa says that this peer's agent can do; nothing for one that is no culver agent.
    func abilities(of id: ID) -> Abilities {
        visa(of: id)?.abilities ?? Abilities(batch: 0, takesAcknowledgements: false)
    }

    /// Keeps a visa that was checked and is the newest. One that says it is a culver's pins its owner as such for good: from
    /// then on unsealed messages are refused, whatever a later visa says (extensions.md 3).
    package func keep(_ visa: Document, of id: ID) {
        let wasCulver = isCulver(id)
        apply(.visa(visa, of: id))
        guard wasCulver || visa.isOfCulver, var contact = contact(id.address), !contact.isCulver else { return }
        contact.isCulver = true
        apply(.contact(contact))
    }

    /// A receiver that would show a repeat as another message, because it does not de-duplicate.
    func takesOnce(_ receiver: ID) -> Bool { receiver.isBroadcast || !isCulver(receiver) }

    func knownMeta(of sender: ID) -> Meta? {
        if let own = identity(sender.address), own.id == sender { return own.meta }
        return meta(of: sender)
    }

    /// The message as it goes to this receiver: with our meta and visa until the receiver has shown that it knows them.
    func wire(_ message: ReliableMessage, of sender: Identity, to receiver: ID) -> [UInt8] {
        var message = message
        // The identity may have another visa by now than when the pool began.
        let sender = identity(sender.id.address) ?? sender
        if contact(receiver.address)?.knowsUs != true {
            message.meta = .object(sender.meta.json)
            message.visa = .object(sender.visa.json)
        }
        return message.json.bytes
    }

    /// The key for the next message in this direction (extensions.md 2): the one in use while its life lasts and the
    /// receiver's key is the same, else a fresh one. `nil` when no fresh one can be made.
    func keyInUse(for packing: Packing, wrappedFor publicKey: RSAPublicKey, lived: Double) -> ReusedKey? {
        let sender = packing.identity.id
        if let known = sendingKey(from: sender, to: packing.receiver), known.wrappedFor == publicKey.fingerprint,
            known.uses < ProtocolLimits.reusedKeyUses, lived < known.born + ProtocolLimits.reusedKeyLife
        {
            apply(.usedSendingKey(from: sender, to: packing.receiver))
            return known
        }
        guard let fresh = try? SymmetricKey.generate(), let wrapped = try? packing.wrap(fresh).first else { return nil }
        let reused = ReusedKey(
            key: fresh, wrapped: wrapped.bytes, wrappedFor: publicKey.fingerprint, born: lived, uses: 1)
        apply(.sendingKey(reused, from: sender, to: packing.receiver))
        return reused
    }
}
