package import DIMP
import Format

/// The groups that this board knows, as flat files below `groups/` (culver.conf(5)). All of them are in memory: a board
/// knows few, and each message of a member asks.
///
/// What was put is seen at once; `takeChanges` hands over what is to be written. One thread at a time: the loop's.
package final class GroupFiles {
    private let directory: StateDirectory
    private var groups: [Address: KnownGroup] = [:]
    private var metas: [Address: Meta] = [:]
    private var bulletins: [Address: Document] = [:]
    /// In how many groups an entity is a member.
    private var memberships: [Address: Int] = [:]
    private var changes: [FileChange] = []

    /// A damaged file is set aside and reported by `directory.takeDamages()`.
    init(_ directory: StateDirectory) throws(FileError) {
        self.directory = directory
        try load()
    }

    /// All of them, sorted by address.
    package var all: [KnownGroup] { groups.values.sorted { $0.id.address.text < $1.id.address.text } }

    package var unsorted: [KnownGroup] { Array(groups.values) }

    package func group(_ address: Address) -> KnownGroup? { groups[address] }

    /// Whether an entity is a member of any of them.
    package func isMember(_ address: Address) -> Bool { memberships[address] != nil }

    package func id(named name: String) -> ID? { groups.values.first { $0.name == name }?.id }

    package func meta(of id: ID) -> Meta? { metas[id.address].flatMap { $0.vouches(for: id) ? $0 : nil } }

    package func bulletin(of id: ID) -> Document? { bulletins[id.address] }

    // MARK: - Changing

    /// False for one more than a board knows: then nothing is kept.
    @discardableResult
    package func put(_ group: KnownGroup) -> Bool {
        guard groups[group.id.address] != nil || groups.count < KnownGroup.limit else { return false }
        count(groups[group.id.address], by: -1)
        groups[group.id.address] = group
        count(group, by: 1)
        write(.object(group.json), to: StatePath.members(of: group.id.address.text))
        return true
    }

    /// Both were checked: the meta vouches for the ID, and has signed the bulletin.
    package func put(_ meta: Meta, _ bulletin: Document, of id: ID) {
        metas[id.address] = meta
        bulletins[id.address] = bulletin
        write(.object(meta.json), to: StatePath.meta(ofGroup: id.address.text))
        write(.object(bulletin.json), to: StatePath.bulletin(of: id.address.text))
    }

    /// A group that this board founds: its private key first, so that nothing public exists without it.
    package func put(_ secret: PrivateKey, of id: ID) {
        write(secret.json, to: StatePath.secret(ofGroup: id.address.text), mode: 0o600)
    }

    package func forget(_ address: Address) {
        count(groups.removeValue(forKey: address), by: -1)
        metas[address] = nil
        bulletins[address] = nil
        changes.append(.removeAll(StatePath.group(address.text)))
    }

    private func count(_ group: KnownGroup?, by step: Int) {
        for member in group?.membership.members ?? [] {
            let number = memberships[member.address, default: 0] + step
            memberships[member.address] = number > 0 ? number : nil
        }
    }

    private func write(_ json: JSON, to name: String, mode: UInt32 = 0o644) {
        changes.append(.write(json.bytes + [UInt8(ascii: "\n")], to: name, mode: mode))
    }

    // MARK: - Files

    var hasChanges: Bool { !changes.isEmpty }

    func takeChanges() -> [FileChange] {
        defer { changes = [] }
        return changes
    }

    /// After a turn that failed: what is on disk counts again.
    func reload() throws(FileError) {
        changes = []
        (groups, metas, bulletins, memberships) = ([:], [:], [:], [:])
        try load()
    }

    private func load() throws(FileError) {
        for address in try directory.list(StatePath.groups).compactMap({ Address($0) }).prefix(KnownGroup.limit) {
            try loadCard(of: address)
            guard let group = try loadGroup(address) else { continue }
            groups[address] = group
            count(group, by: 1)
        }
    }

    /// Meta and bulletin, as far as they prove themselves.
    private func loadCard(of address: Address) throws(FileError) {
        guard let json = try directory.json(StatePath.meta(ofGroup: address.text)) else { return }
        let meta = try? Meta(json)
        let id = ID(name: meta?.seed, address: address)
        guard let meta, meta.vouches(for: id) else {
            return try directory.setAside(StatePath.meta(ofGroup: address.text), "not the meta of this address")
        }
        metas[address] = meta
        guard let json = try directory.json(StatePath.bulletin(of: address.text)) else { return }
        guard let bulletin = try? Document(json), (try? bulletin.check(about: id, meta: meta)) != nil else {
            return try directory.setAside(StatePath.bulletin(of: address.text), "not a bulletin that this group signed")
        }
        bulletins[address] = bulletin
    }

    /// Without its list of commands a group is what its bulletin says: its members are asked for the rest.
    private func loadGroup(_ address: Address) throws(FileError) -> KnownGroup? {
        if let json = try directory.json(StatePath.members(of: address.text)) {
            if let group = json.object.flatMap({ KnownGroup($0) }), group.id.address == address { return group }
            try directory.setAside(StatePath.members(of: address.text), "no group of this address")
        }
        guard let meta = metas[address], let founder = bulletins[address]?.founder else {
            directory.report(StatePath.group(address.text), "neither members nor a founder; not used")
            return nil
        }
        return KnownGroup(ID(name: meta.seed, address: address), foundedBy: founder)
    }
}
