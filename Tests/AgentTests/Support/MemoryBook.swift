import Agent
import DIMP

/// An address book that is forgotten with the test. It keeps what `Facebook` and `KeyStore` keep, and as long.
final class MemoryBook: AddressBook {
    struct State {
        var identities: [Identity] = []
        var contacts: [Address: Contact] = [:]
        var metas: [Address: Meta] = [:]
        /// The first is the one that counts where one is wanted.
        var visas: [Address: [Document]] = [:]
        var sending: [Direction: ReusedKey] = [:]
        var received: [Direction: [Received]] = [:]
        var groups: [Address: KnownGroup] = [:]
        var bulletins: [Address: Document] = [:]
        var areCallsOff = false
    }

    struct Direction: Hashable {
        var sender: Address
        var receiver: Address

        init(_ sender: ID, _ receiver: ID) {
            self.sender = sender.address
            self.receiver = receiver.address
        }
    }

    struct Received {
        var key: SymmetricKey
        var digest: [UInt8]
        var born: Double
        var uses: Int
    }

    var state = State()
    /// Seconds lived now.
    var lived = 0.0

    init(_ identities: [Identity]) {
        state.identities = identities
    }

    var identities: [Identity] { state.identities }

    func identity(_ address: Address) -> Identity? { identities.first { $0.id.address == address } }

    func meta(of id: ID) -> Meta? {
        if let own = identity(id.address) { return own.id == id ? own.meta : nil }
        guard let meta = state.metas[id.address], meta.vouches(for: id) else { return nil }
        return meta
    }

    func visa(of id: ID) -> Document? { identity(id.address)?.visa ?? state.visas[id.address]?.first }

    func deviceVisas(of id: ID) -> [Document] { Array((state.visas[id.address] ?? []).dropFirst()) }

    func group(_ address: Address) -> KnownGroup? { state.groups[address] }
    var groups: [KnownGroup] { Array(state.groups.values) }
    func isMember(_ address: Address) -> Bool {
        state.groups.values.contains { $0.membership.members.contains { $0.address == address } }
    }
    func bulletin(of group: ID) -> Document? { state.bulletins[group.address] }

    func contact(_ address: Address) -> Contact? { state.contacts[address] }

    func contact(named name: String) -> Contact? { state.contacts.values.first { $0.name == name } }

    var strangers: [ID] { state.contacts.values.filter(\.isPassing).map(\.id).sorted { $0.text < $1.text } }

    /// False while a daemon would still be looking at its contacts.
    var knowsAll = true
    var blocked: [ID]? { knowsAll ? state.contacts.values.filter(\.isBlocked).map(\.id) : nil }
    var muted: [ID]? { knowsAll ? state.contacts.values.filter(\.isMuted).map(\.id) : nil }

    var nextKeyEnd: Double? {
        (state.sending.values.map(\.born) + state.received.values.flatMap { $0.map(\.born) }).min()
            .map { $0 + ProtocolLimits.reusedKeyLife }
    }

    func sendingKey(from sender: ID, to receiver: ID) -> ReusedKey? {
        state.sending[Direction(sender, receiver)].flatMap { isAlive($0.born, $0.uses) ? $0 : nil }
    }

    func receivedKey(from sender: ID, to target: ID, wrapping digest: [UInt8]) -> SymmetricKey? {
        state.received[Direction(sender, target)]?.first { $0.digest == digest && isAlive($0.born, $0.uses) }?.key
    }

    private func isAlive(_ born: Double, _ uses: Int) -> Bool {
        lived < born + ProtocolLimits.reusedKeyLife && uses < ProtocolLimits.reusedKeyUses
    }

    var areCallsOff: Bool { state.areCallsOff }

    func apply(_ change: AddressBookChange) {
        switch change {
        case .callsOff(let areOff): state.areCallsOff = areOff
        case .contact(let contact): state.contacts[contact.id.address] = contact
        case .meta(let meta, let id): state.metas[id.address] = meta
        case .visa(let visa, let id):
            let others = (state.visas[id.address] ?? []).filter { $0.terminal != visa.terminal }
            let all = (others + [visa]).sorted { $0.time > $1.time }
            state.visas[id.address] = all.filter { $0.terminal == nil } + all.filter { $0.terminal != nil }
        case .ownVisa(let visa, let id):
            for index in state.identities.indices where state.identities[index].id == id {
                state.identities[index].visa = visa
            }
        case .forget(let address): forget(address)
        case .sendingKey(let key, let sender, let receiver): state.sending[Direction(sender, receiver)] = key
        case .receivedKey(let key, let sender, let receiver, let digest):
            state.received[Direction(sender, receiver), default: []]
                .insert(Received(key: key, digest: digest, born: lived, uses: 1), at: 0)
        case .usedSendingKey(let sender, let receiver): state.sending[Direction(sender, receiver)]?.uses += 1
        case .usedReceivedKey(let sender, let receiver, let digest):
            let direction = Direction(sender, receiver)
            guard let index = state.received[direction]?.firstIndex(where: { $0.digest == digest }) else { return }
            state.received[direction]?[index].uses += 1
        case .group(let group): state.groups[group.id.address] = group
        case .groupCard(let meta, let bulletin, let id):
            state.metas[id.address] = meta
            state.bulletins[id.address] = bulletin
        case .forgetGroup(let address): state.groups[address] = nil
        case .keysEnded:
            state.sending = state.sending.filter { isAlive($0.value.born, 0) }
            state.received = state.received.mapValues { $0.filter { isAlive($0.born, 0) } }.filter { !$0.value.isEmpty }
        }
    }

    private func forget(_ address: Address) {
        state.contacts[address] = nil
        state.metas[address] = nil
        state.visas[address] = nil
        state.sending = state.sending.filter { $0.key.sender != address && $0.key.receiver != address }
        state.received = state.received.filter { $0.key.sender != address && $0.key.receiver != address }
    }
}
