import Crypto
package import DIMP
import Format

/// The seed's Facebook: identities, contacts, metas and visas as flat files in DIMP's own form (culver.conf(5)).
///
/// What was put is seen at once; `takeChanges` hands over what is to be written. One thread at a time: the loop's.
///
/// A contact is read when it is first wanted, and only so many are remembered. What is asked of all of them at once is in
/// an index, which `readContacts` fills a portion at a time.
package final class Facebook: Barrack {
    private let directory: StateDirectory
    /// The default one first.
    package private(set) var identities: [Identity] = []
    /// What belongs to no single entity.
    package let groups: GroupFiles
    /// The owner's word that no calls are run, in a file beside the messages, which may be lost or come back older without it.
    /// What cannot be read is such a word.
    package private(set) var areCallsOff = true
    private var index = ContactIndex(directories: [])
    /// Contacts that the open turn has changed, as they are now, and those of the turn before, which may not be on disk.
    private var changed: [Address: Contact?] = [:]
    private var unsettled: [Address: Contact?] = [:]
    /// What was read or put lately. `nil` inside: known to be absent.
    private var cachedContacts: [Address: Contact?] = [:]
    private var metas: [Address: Meta?] = [:]
    /// Of a contact's visas the first is the one that counts where one is wanted (`Barrack.visa(of:)`).
    private var visas: [Address: [Document]] = [:]
    /// About how many bytes these three hold.
    package private(set) var cachedBytes = 0
    /// Contacts that were read from their files.
    private(set) var contactsRead = 0
    private var changes: [FileChange] = []
    private var fault: FileError?

    /// Where they are forgotten: anybody's card may be as large as a card can be.
    package static let cacheLimit = 4 << 20

    /// Reads identities, and of contacts no more than the names of their directories. A damaged file is set aside and
    /// reported by `directory.takeDamages()`. `time` dates the visa of an identity whose files have none, or one of an
    /// earlier version. Throws for a secret that others may read.
    package init(_ directory: StateDirectory, time: Double) throws(FileError) {
        self.directory = directory
        groups = try GroupFiles(directory)
        try loadIdentities(time: time)
        index = ContactIndex(directories: try directory.list(StatePath.contacts))
        areCallsOff = Self.readCallsOff(directory)
        try renewVisas(time: time)
    }

    // MARK: - Barrack

    package func meta(of id: ID) -> Meta? {
        let address = id.address
        if let own = identity(address) { return own.id == id ? own.meta : nil }
        if let group = groups.meta(of: id) { return group }
        if metas[address] == nil {
            let json = try? directory.json(StatePath.meta(ofContact: address.text))
            let meta = json.flatMap { try? Meta($0) }
            remember(meta?.footprint) { $0.metas[address] = .some(meta) }
        }
        guard let meta = metas[address] ?? nil, meta.vouches(for: id) else { return nil }
        return meta
    }

    package func visa(of id: ID) -> Document? {
        let address = id.address
        return identity(address)?.visa ?? visasOfContact(id).first
    }

    package func deviceVisas(of id: ID) -> [Document] {
        isOurs(id) ? [] : Array(visasOfContact(id).dropFirst())
    }

    private func isOurs(_ id: ID) -> Bool { identity(id.address) != nil }

    private func visasOfContact(_ id: ID) -> [Document] {
        let address = id.address
        if let known = visas[address] { return known }
        let first = try? directory.json(StatePath.visa(ofContact: address.text))
        let others = try? directory.json(StatePath.deviceVisas(ofContact: address.text))
        let meta = meta(of: id)
        // A file is no proof: whoever put it there has not signed it.
        let good = ([first].compactMap { $0 } + (others?["documents"]?.array ?? []).prefix(ProtocolLimits.devices))
            .compactMap { try? Document($0) }
            .filter { visa in meta.map { (try? visa.check(about: id, meta: $0)) != nil } ?? false }
        remember(Self.footprint(good)) { $0.visas[address] = good }
        return good
    }

    private static func footprint(_ visas: [Document]) -> Int { visas.reduce(0) { $0 + $1.footprint } }

    package func identity(_ address: Address) -> Identity? {
        // By place: to look at an element is cheaper than to have it, and every message asks twenty times.
        identities.indices.first { identities[$0].id.address == address }.map { identities[$0] }
    }

    // MARK: - Contacts

    /// `nil` for one that cannot be read as well, of which `takeFault` says why.
    package func contact(_ address: Address) -> Contact? {
        if let known = cachedContacts[address] { return known }
        do throws(FileError) {
            let contact = try readContact(address)
            remember(Self.contactBytes) { $0.cachedContacts[address] = .some(contact) }
            return contact
        } catch {
            fault = error
            return nil
        }
    }

    /// Why a contact that was asked for could not be read: what was decided without it does not count.
    package func takeFault() -> FileError? {
        defer { fault = nil }
        return fault
    }

    /// Directories whose contact nobody has looked at count as well.
    package var contactCount: Int { index.count }

    /// All that the index has, in any order.
    package var strangers: [ID] { Array(index.strangers.values) }

    /// All that the index has, in any order.
    package var declaredContacts: [Address] { Array(index.declared) }

    /// In any order; `nil` until the index has all contacts.
    package var blocked: [ID]? { index.isComplete ? Array(index.blocked.values) : nil }
    package var muted: [ID]? { index.isComplete ? Array(index.muted.values) : nil }

    /// All of them by address, each read from its file: for what is seldom done.
    package var contacts: [Contact] { contacts(from: 0, limit: .max).compactMap(\.contact) }

    /// Places in the list of all contacts, which is sorted by address. A directory without a contact has a place, too.
    package func contacts(from start: Int, limit: Int) -> [(place: Int, contact: Contact?)] {
        do throws(FileError) {
            var found: [(place: Int, contact: Contact?)] = []
            for (place, name) in try contactDirectories().enumerated().dropFirst(start).prefix(limit) {
                found.append((place, try Address(name).flatMap { (address) throws(FileError) in try present(address) }))
            }
            return found
        } catch {
            fault = error
            return []
        }
    }

    /// With those that are not on disk yet.
    private func contactDirectories() throws(FileError) -> [String] {
        let names = try directory.list(StatePath.contacts)
        let put = changed.compactMap { $0.value == nil ? nil : $0.key.text }
        return put.isEmpty ? names : Set(names).union(put).sorted()
    }

    /// The entity that this board calls so: an identity of its own, a group, or a contact.
    package func id(named name: String) -> ID? {
        identities.first { $0.id.name == name }?.id ?? groups.id(named: name) ?? id(ofContactNamed: name)
    }

    /// Of identities, groups and contacts, in any order; of contacts those that the index has.
    package func names(atMost limit: Int) -> [String] {
        let own = identities.compactMap(\.id.name) + groups.all.compactMap(\.name)
        return own + index.names.prefix(max(0, limit - own.count))
    }

    /// Reads contacts on until it is found.
    package func id(ofContactNamed name: String) -> ID? {
        while true {
            if let address = index.address(named: name), let contact = contact(address) { return contact.id }
            guard !index.isComplete else { return nil }
            readContacts(upTo: 64)
        }
    }

    /// Takes so many more contacts into the index, and removes what an interrupted write has left beside them. Says
    /// whether all are known now. One that cannot be read is reported and left out.
    @discardableResult
    package func readContacts(upTo count: Int) -> Bool {
        for _ in 0..<count {
            guard let name = index.next() else { break }
            guard let address = Address(name) else { continue }
            do throws(FileError) {
                try directory.sweep(contact: name)
                if let contact = try present(address) { index.add(contact) }
            } catch {
                directory.report(StatePath.trust(of: name), "not used: \(error)")
            }
        }
        return index.isComplete
    }

    /// As it is now, without remembering it.
    private func present(_ address: Address) throws(FileError) -> Contact? {
        if let known = cachedContacts[address] { return known }
        return try readContact(address)
    }

    private func readContact(_ address: Address) throws(FileError) -> Contact? {
        guard let json = try directory.json(StatePath.trust(of: address.text))?.object else { return nil }
        contactsRead += 1
        guard let contact = Contact(json), contact.id.address == address else {
            try directory.setAside(StatePath.trust(of: address.text), "no contact of this address")
            return nil
        }
        return contact
    }

    package func put(_ contact: Contact) {
        change(contact.id.address, to: contact)
        write(.object(contact.json), to: StatePath.trust(of: contact.id.address.text))
    }

    private func change(_ address: Address, to contact: Contact?) {
        if let old = self.contact(address) { index.remove(old) }
        if let contact { index.add(contact) }
        changed[address] = .some(contact)
        remember(Self.contactBytes) { $0.cachedContacts[address] = .some(contact) }
    }

    package func put(_ meta: Meta, of id: ID) {
        remember(meta.footprint) { $0.metas[id.address] = .some(meta) }
        write(.object(meta.json), to: StatePath.meta(ofContact: id.address.text))
    }

    /// Takes the place of the visa with the same terminal. Of more devices than `ProtocolLimits.devices` those with the
    /// oldest visas go.
    package func put(_ visa: Document, of id: ID) {
        let address = id.address.text
        let before = visasOfContact(id)
        var all = before.filter { $0.terminal != visa.terminal } + [visa]
        all.sort { ($0.terminal == nil ? 0 : 1, -$0.time) < ($1.terminal == nil ? 0 : 1, -$1.time) }
        all = Array(all.prefix(ProtocolLimits.devices))
        remember(Self.footprint(all)) { $0.visas[id.address] = all }
        write(.object((all.first ?? visa).json), to: StatePath.visa(ofContact: address))
        guard all.count > 1 || before.count > 1 else { return }
        let others = all.dropFirst().map { JSON.object($0.json) }
        write(["documents": .array(others)], to: StatePath.deviceVisas(ofContact: address))
    }

    package func forget(_ address: Address) {
        change(address, to: nil)
        metas[address] = .some(nil)
        visas[address] = []
        changes.append(.removeAll(StatePath.contact(address.text)))
    }

    // MARK: - Identities

    /// The seed's `register`, on disk: secret first, so that nothing public exists without it.
    package func put(_ identity: Identity) {
        let address = identity.id.address.text
        write(identity.secret.json, to: StatePath.secret(of: address), mode: 0o600)
        for (number, key) in identity.visaKeys.enumerated() {
            let time = Int64(wholeSeconds: identity.visa.time) - Int64(number)
            write(key.json, to: StatePath.visaKey(of: address, time: String(time)), mode: 0o600)
        }
        write(.object(identity.meta.json), to: StatePath.meta(ofIdentity: address))
        write(.object(identity.visa.json), to: StatePath.visa(ofIdentity: address))
        identities.removeAll { $0.id == identity.id }
        identities.append(identity)
    }

    /// Another visa with its new key; the keys of the last ones stay as long as they are tried. Every contact is shown the
    /// visa again.
    package func rotate(_ identity: Identity) {
        let address = identity.id.address.text
        if let key = identity.visaKeys.first {
            let name = StatePath.visaKey(of: address, time: String(Int64(wholeSeconds: identity.visa.time)))
            write(key.json, to: name, mode: 0o600)
        }
        for name in visaKeyNames(address).dropFirst(ProtocolLimits.visaKeys - 1) {
            changes.append(.remove("\(StatePath.visaKeys(of: address))/\(name)"))
        }
        showVisa(of: identity) { _ in true }
    }

    /// A visa of an earlier version does not say what this one can do, so that no peer would make use of it.
    private func renewVisas(time: Double) throws(FileError) {
        for var identity in identities {
            guard let said = identity.visa.abilities else { continue }
            var abilities = Abilities.ours
            abilities.size = said.size
            guard said != abilities else { continue }
            do throws(CryptoError) {
                identity.visa = try identity.visa(saying: abilities, time: time)
                showVisa(of: identity, to: \.isCulver)
            } catch {
                throw FileError("cannot sign a visa for \(identity.id): \(error)")
            }
        }
    }

    /// Keeps another visa, which rides along with the next messages to these contacts.
    private func showVisa(of identity: Identity, to isShown: (Contact) -> Bool) {
        write(.object(identity.visa.json), to: StatePath.visa(ofIdentity: identity.id.address.text))
        if let index = identities.firstIndex(where: { $0.id == identity.id }) { identities[index] = identity }
        for var contact in contacts where contact.knowsUs && isShown(contact) {
            contact.knowsUs = false
            put(contact)
        }
    }

    /// Another visa for the key that the identity has. It is shown to those who look for it: what it says anew matters to
    /// few contacts.
    package func renew(_ visa: Document, of id: ID) {
        guard let index = identities.firstIndex(where: { $0.id == id }) else { return }
        identities[index].visa = visa
        write(.object(visa.json), to: StatePath.visa(ofIdentity: id.address.text))
    }

    /// Everything of an identity goes, its secrets first. The next one becomes the default.
    package func remove(_ id: ID) {
        let address = id.address.text
        let wasDefault = identities.first?.id == id
        identities.removeAll { $0.id == id }
        changes.append(.remove(StatePath.secret(of: address)))
        changes.append(.removeAll(StatePath.visaKeys(of: address)))
        changes.append(.removeAll(StatePath.identity(address)))
        guard wasDefault else { return }
        if let next = identities.first { makeDefault(next.id) } else { changes.append(.remove(Self.defaultFile)) }
    }

    package func makeDefault(_ id: ID) {
        guard let index = identities.firstIndex(where: { $0.id == id }) else { return }
        identities.insert(identities.remove(at: index), at: 0)
        write(["did": .string(id.bare.text)], to: Self.defaultFile)
    }

    // MARK: - Files

    package var hasChanges: Bool { !changes.isEmpty || groups.hasChanges }

    /// They are on disk before this is asked for anything else, or `reload` is called: nothing remembered must stay.
    package func takeChanges() -> [FileChange] {
        defer {
            changes = []
            (unsettled, changed) = (changed, [:])
            if cachedBytes > Self.cacheLimit { forgetCached() }
        }
        return changes + groups.takeChanges()
    }

    /// After a turn that failed: what is on disk counts again. Of contacts only those are read that the turn has changed.
    package func reload(time: Double) throws(FileError) {
        changes = []
        fault = nil
        for (address, contact) in unsettled.merging(changed, uniquingKeysWith: { $1 }) {
            if let contact { index.remove(contact) }
            unsettled[address] = .some(nil)
        }
        changed = [:]
        forgetCached()
        for address in Array(unsettled.keys) {
            if let contact = try readContact(address) { index.add(contact) }
            unsettled.removeValue(forKey: address)
        }
        identities = []
        areCallsOff = Self.readCallsOff(directory)
        try groups.reload()
        try loadIdentities(time: time)
        try renewVisas(time: time)
    }

    package func setCallsOff(_ areOff: Bool) {
        areCallsOff = areOff
        if areOff { write([:], to: StatePath.callsOff) } else { changes.append(.remove(StatePath.callsOff)) }
    }

    private static func readCallsOff(_ directory: StateDirectory) -> Bool {
        do throws(FileError) {
            return try directory.read(StatePath.callsOff) != nil
        } catch {
            return true
        }
    }

    private static let defaultFile = "\(StatePath.identities)/default.json"

    private func write(_ json: JSON, to name: String, mode: UInt32 = 0o644) {
        changes.append(.write(json.bytes + [UInt8(ascii: "\n")], to: name, mode: mode))
    }

    /// Forgets everything rather than growing; what is not on disk yet must stay. `bytes`: of what is remembered, `nil` of
    /// what is absent. What takes another's place counts with it until all is forgotten.
    private func remember(_ bytes: Int?, _ change: (Facebook) -> Void) {
        let bytes = (bytes ?? 0) + Self.cacheEntry
        if cachedBytes + bytes > Self.cacheLimit, changes.isEmpty { forgetCached() }
        cachedBytes += bytes
        change(self)
    }

    /// An address with its text, and its place in a table.
    private static let cacheEntry = 256
    private static let contactBytes = 256

    private func forgetCached() {
        cachedContacts = [:]
        metas = [:]
        visas = [:]
        cachedBytes = 0
    }

    private func loadIdentities(time: Double) throws(FileError) {
        for text in try directory.list(StatePath.identities) {
            guard let address = Address(text), let identity = try load(address, time: time) else { continue }
            identities.append(identity)
        }
        identities.sort {
            $0.visa.properties["created_time"]?.double ?? 0 < $1.visa.properties["created_time"]?.double ?? 0
        }
        let chosen = try directory.json(Self.defaultFile)?["did"]?.string.flatMap { ID($0) }
        if let chosen, let index = identities.firstIndex(where: { $0.id == chosen }) {
            identities.insert(identities.remove(at: index), at: 0)
        }
    }

    private func load(_ address: Address, time: Double) throws(FileError) -> Identity? {
        guard let secretJSON = try directory.json(StatePath.secret(of: address.text)) else { return nil }
        guard let secret = try? PrivateKey(secretJSON) else {
            try directory.setAside(StatePath.secret(of: address.text), "no private key")
            return nil
        }
        guard let metaJSON = try directory.json(StatePath.meta(ofIdentity: address.text)) else {
            // Making it was interrupted, or the meta was damaged: the secret stays, whatever it is worth.
            directory.report(StatePath.identity(address.text), "no meta beside the secret; not used")
            return nil
        }
        guard let meta = try? Meta(metaJSON), let id = Self.id(of: meta, at: address), meta.key == secret.publicKey
        else {
            try directory.setAside(StatePath.meta(ofIdentity: address.text), "not the meta of this address and secret")
            return nil
        }
        let visaKeys = try loadVisaKeys(address)
        if let json = try directory.json(StatePath.visa(ofIdentity: address.text)) {
            if let visa = try? Document(json), (try? visa.check(about: id, meta: meta)) != nil {
                return Identity(id: id, meta: meta, secret: secret, visa: visa, visaKeys: visaKeys)
            }
            try directory.setAside(StatePath.visa(ofIdentity: address.text), "not a visa that this identity signed")
        }
        return try withNewVisa(id, meta, secret, visaKeys, time: time)
    }

    /// An identity that another DIMP tool left without a visa, or with a damaged one.
    private func withNewVisa(
        _ id: ID, _ meta: Meta, _ secret: PrivateKey, _ visaKeys: [PrivateKey], time: Double
    ) throws(FileError) -> Identity {
        do throws(CryptoError) {
            var visaKeys = visaKeys
            if visaKeys.isEmpty, secret.decryption == nil {
                visaKeys = [.rsa(try RSAPrivateKey.generate(bits: 2048))]
            }
            let key = visaKeys.first?.publicKey ?? secret.publicKey
            let visa = try Document.visa(of: id, name: id.name, key: key, time: time, signedBy: secret)
            let identity = Identity(id: id, meta: meta, secret: secret, visa: visa, visaKeys: visaKeys)
            put(identity)
            identities.removeAll { $0.id == id }
            return identity
        } catch {
            throw FileError("cannot sign a visa for \(id): \(error)")
        }
    }

    private func loadVisaKeys(_ address: Address) throws(FileError) -> [PrivateKey] {
        var keys: [PrivateKey] = []
        for name in visaKeyNames(address.text) {
            let file = "\(StatePath.visaKeys(of: address.text))/\(name)"
            guard let json = try directory.json(file) else { continue }
            guard let key = try? PrivateKey(json) else {
                try directory.setAside(file, "no private key")
                continue
            }
            keys.append(key)
        }
        return keys
    }

    /// Files, the newest first.
    private func visaKeyNames(_ address: String) -> [String] {
        let names = (try? directory.list(StatePath.visaKeys(of: address)))?.filter { $0.hasSuffix(".json") } ?? []
        return names.sorted { (Int64($0.dropLast(5)) ?? 0) > (Int64($1.dropLast(5)) ?? 0) }
    }

    private static func id(of meta: Meta, at address: Address) -> ID? {
        let id = ID(name: meta.seed, address: address)
        return meta.vouches(for: id) ? id : nil
    }
}
