extension ReliableMessage {
    /// One copy per member with that member's keys alone, one for each of its devices, and the signature untouched: the
    /// only form that readers before 2.4 open (wire.md 6.5).
    package func split(for members: [ID]) -> [ReliableMessage] {
        let group = envelope.target
        return members.map { member in
            var copy = self
            copy.secure.envelope.group = group
            copy.secure.envelope.receiver = member
            copy.secure.keys = secure.keys(for: member)
            return copy
        }
    }

    /// The same for a message that came unsplit: with this member's key alone.
    package func trimmed(for member: ID) -> ReliableMessage {
        guard envelope.receiver.hasMembers else { return self }
        return split(for: [member]).first ?? self
    }
}
