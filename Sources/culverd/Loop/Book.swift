import Agent
import DIMP
import Store

/// The address book of the agent: Facebook and KeyStore side by side.
final class Book: AddressBook {
    let facebook: Facebook
    let keys: KeyStore

    init(facebook: Facebook, keys: KeyStore) {
        self.facebook = facebook
        self.keys = keys
    }

    var identities: [Identity] { facebook.identities }
    func identity(_ address: Address) -> Identity? { facebook.identity(address) }
    func contact(_ address: Address) -> Contact? { facebook.contact(address) }
    func contact(named name: String) -> Contact? {
        facebook.id(ofContactNamed: name).flatMap { facebook.contact($0.address) }
    }
    var strangers: [ID] { facebook.strangers }
    var blocked: [ID]? { facebook.blocked }
    var muted: [ID]? { facebook.muted }
    var areCallsOff: Bool { facebook.areCallsOff }
    var nextKeyEnd: Double? { keys.nextEnd }
    func group(_ address: Address) -> KnownGroup? { facebook.groups.group(address) }
    var groups: [KnownGroup] { facebook.groups.unsorted }
    func isMember(_ address: Address) -> Bool { facebook.groups.isMember(address) }
    func bulletin(of group: ID) -> Document? { facebook.groups.bulletin(of: group) }
    func meta(of id: ID) -> Meta? { facebook.meta(of: id) }
    func visa(of id: ID) -> Document? { facebook.visa(of: id) }
    func deviceVisas(of id: ID) -> [Document] { facebook.deviceVisas(of: id) }
    func sendingKey(from sender: ID, to receiver: ID) -> ReusedKey? { keys.sendingKey(from: sender, to: receiver) }

    func receivedKey(from sender: ID, to target: ID, wrapping digest: [UInt8]) -> SymmetricKey? {
        keys.receivedKey(from: sender, to: target, wrapping: digest)
    }

    func apply(_ change: AddressBookChange) {
        switch change {
        case .contact(let contact): facebook.put(contact)
        case .meta(let meta, let id): facebook.put(meta, of: id)
        case .visa(let visa, let id): facebook.put(visa, of: id)
        case .ownVisa(let visa, let id): facebook.renew(visa, of: id)
        case .forget(let address):
            facebook.forget(address)
            keys.forget(address, owners: facebook.identities.map(\.id.address))
        case .sendingKey(let key, let from, let to): keys.put(key, from: from, to: to)
        case .receivedKey(let key, let from, let to, let digest): keys.put(key, from: from, to: to, wrapping: digest)
        case .usedSendingKey(let from, let to): keys.useSending(from: from, to: to)
        case .usedReceivedKey(let from, let to, let digest): keys.useReceived(from: from, to: to, wrapping: digest)
        case .group(let group): facebook.groups.put(group)
        case .groupCard(let meta, let bulletin, let id): facebook.groups.put(meta, bulletin, of: id)
        case .forgetGroup(let address): facebook.groups.forget(address)
        case .keysEnded: keys.destroyEnded()
        case .callsOff(let areOff): facebook.setCallsOff(areOff)
        }
    }

    // MARK: - Turns

    var hasChanges: Bool { facebook.hasChanges || keys.hasChanges }

    /// Everything that the turn decided to write.
    func takeChanges() -> [FileChange] { facebook.takeChanges() + keys.takeChanges() }

    /// After a failed turn: what is on disk counts again.
    func reload(time: Double) throws(FileError) {
        keys.reload()
        try facebook.reload(time: time)
    }
}
