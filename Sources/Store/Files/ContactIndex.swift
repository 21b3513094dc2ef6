import DIMP

/// What is asked of all contacts at once, so that none of them has to be in memory for it: names, strangers, declared,
/// blocked and muted ones, and how many there are.
///
/// The directories are looked at one after the other, long after the start, because a board may have ten thousand. Until
/// then the index knows those that were looked at or changed. The flat files alone are the truth.
struct ContactIndex {
    private var addresses: [String: Address] = [:]
    private(set) var strangers: [Address: ID] = [:]
    private(set) var declared: Set<Address> = []
    private(set) var blocked: [Address: ID] = [:]
    private(set) var muted: [Address: ID] = [:]
    private var counted = 0
    /// Directories that were not looked at yet, the next one last.
    private var unread: [String]

    /// `directories` are sorted.
    init(directories: [String]) {
        unread = directories.reversed()
    }

    var isComplete: Bool { unread.isEmpty }

    /// A directory that was not looked at counts as a contact.
    var count: Int { counted + unread.count }

    /// Of two contacts with the same name, which only another program can have made, the one that was seen first.
    func address(named name: String) -> Address? { addresses[name] }

    var names: some Collection<String> { addresses.keys }

    /// The directory to be looked at next; `add` is told of the contact in it, if there is one.
    mutating func next() -> String? { unread.popLast() }

    /// A contact that was found in a directory, or that was put there now.
    mutating func add(_ contact: Contact) {
        let address = contact.id.address
        if !isUnread(address) { counted += 1 }
        if let name = contact.name, addresses[name] == nil { addresses[name] = address }
        if contact.isPassing { strangers[address] = contact.id }
        if contact.isDeclared { declared.insert(address) }
        if contact.isBlocked { blocked[address] = contact.id }
        if contact.isMuted { muted[address] = contact.id }
    }

    /// A contact as it was added.
    mutating func remove(_ contact: Contact) {
        let address = contact.id.address
        if !isUnread(address) { counted -= 1 }
        if let name = contact.name, addresses[name] == address { addresses[name] = nil }
        strangers[address] = nil
        blocked[address] = nil
        muted[address] = nil
        declared.remove(address)
    }

    /// Its directory is counted as long as it is unread.
    private func isUnread(_ address: Address) -> Bool {
        var (low, high) = (0, unread.count)
        while low < high {
            let middle = (low + high) / 2
            if unread[middle] > address.text { low = middle + 1 } else { high = middle }
        }
        return low < unread.count && unread[low] == address.text
    }
}
