package import DIMP
package import Records

/// Which inbox rows a consumer wants; what is absent does not matter. What a filter leaves out counts as
/// acknowledged (culver-protocol(7), Consumers).
package struct InboxFilter: Sendable, Equatable {
    package var sender: ID?
    package var receiver: ID?
    package var group: ID?
    package var type: Int64?
    package var subject: SubjectFilter?

    package init(
        sender: ID? = nil, receiver: ID? = nil, group: ID? = nil, type: Int64? = nil, subject: SubjectFilter? = nil
    ) {
        self.sender = sender
        self.receiver = receiver
        self.group = group
        self.type = type
        self.subject = subject
    }

    package func takes(_ message: Incoming) -> Bool {
        (sender ?? message.sender) == message.sender && (receiver ?? message.receiver) == message.receiver
            && (group == nil || group == message.group) && (type ?? message.type) == message.type
            && subject?.takes(message.subject) != false
    }
}

extension InboxFilter {
    /// The same in SQL, to be followed by more; its parameters are `given`. Only what is there is asked for, so that
    /// an index can serve it.
    var condition: String {
        let parts = [
            ("sender", sender != nil), ("receiver", receiver != nil), ("grp", group != nil), ("type", type != nil),
            ("subject", subject?.isPlain == true),
        ]
        let equal = parts.filter(\.1).map { "\($0.0) = ? AND " }.joined()
        return subject?.isPlain == false ? equal + "subject_takes(?, subject) AND " : equal
    }

    var given: [SQLValue] {
        values.filter { if case .null = $0 { false } else { true } }
    }

    /// That every consumer without a filter has seen the inbox row. Follows from `isPending` of none, and bounds the
    /// rows that have to be looked at for that.
    static let isPassed = """
        inbox.seq <= coalesce((SELECT min(cursor) FROM consumers
            WHERE sender IS NULL AND receiver IS NULL AND grp IS NULL AND type IS NULL AND subject IS NULL),
            9223372036854775807)
        """

    /// That a consumer, table `c`, still has to see the inbox row, table `inbox`.
    static let isPending = """
        c.cursor < inbox.seq AND (c.sender IS NULL OR c.sender = inbox.sender)
        AND (c.receiver IS NULL OR c.receiver = inbox.receiver) AND (c.grp IS NULL OR c.grp = inbox.grp)
        AND (c.type IS NULL OR c.type = inbox.type) AND (c.subject IS NULL OR subject_takes(c.subject, inbox.subject))
        AND \(isAlive)
        """

    /// That the sender of the inbox row has not given it up.
    static let isAlive = "coalesce(inbox.expires, 1) > 0"

    /// Sender, receiver, group, type and subject, as columns.
    var values: [SQLValue] {
        [SQLValue(sender), SQLValue(receiver), SQLValue(group), SQLValue(type), SQLValue(subject?.text)]
    }
}
