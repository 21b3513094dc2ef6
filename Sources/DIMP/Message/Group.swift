extension ReliableMessage {
    /// One copy per member with that member's keys alone, one for each of its devices, and the signature untouched: the
    /// only form that readers before 2.4 open (wire.md 6.5).
    package func split(for members: [ID]) -> [ReliableMessage] {
        let group = envelope.target
        // One look at each key, as there may be a thousand members: most keys are under an ID, and few of a terminal.
        let isShared = { (key: SecureMessage.WrappedKey) in
            key.receiver.isEmpty || key.receiver.utf8.contains(UInt8(ascii: "/"))
        }
        let named = Dictionary(grouping: secure.keys.lazy.filter { !isShared($0) }, by: \.receiver)
        let shared = secure.keys.filter(isShared)
        var copy = self
        return members.map { member in
            copy.secure.envelope.group = group
            copy.secure.envelope.receiver = member
            copy.secure.keys = (named[member.bare.text] ?? []) + shared
            copy.secure.keys = copy.secure.keys(for: member)
            return copy
        }
    }

    /// The same for a message that came unsplit: with this member's key alone.
    package func trimmed(for member: ID) -> ReliableMessage {
        guard envelope.receiver.hasMembers else { return self }
        return split(for: [member]).first ?? self
    }
}
