/// How a contact was seen last: a hint for people, on which nothing depends (extensions.md 1).
package struct PeerPresence: Sendable, Equatable {
    package enum State: String, Sendable {
        case online, gone
        /// No broker that is connected shows a statement of the contact.
        case unknown
    }

    package var state: State
    /// When this board learnt of the state, in seconds since 1970, 0 by a clock that was not set; `nil` while it is
    /// unknown.
    package var since: Double?
    /// The newest start of the contact's agent that it has stated, random for each.
    package var boot: String?
    /// When the contact last said something that proves itself, in seconds since 1970; `nil`: not since this daemon runs.
    package var seen: Double?
    /// The program that the contact runs, as its last answer to a ping says.
    package var agent: String?

    package init(
        state: State, since: Double? = nil, boot: String? = nil, seen: Double? = nil, agent: String? = nil
    ) {
        self.state = state
        self.since = since
        self.boot = boot
        self.seen = seen
        self.agent = agent
    }
}
