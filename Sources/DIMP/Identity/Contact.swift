/// What this board thinks of another entity, as its `trust.json` says it.
package struct Contact: Sendable, Equatable {
    package var id: ID
    /// The label that this board gave it.
    package var name: String?
    package var trust: Trust
    package var isBlocked: Bool
    /// Its messages are taken and kept; local programs are told that nobody is to be troubled with them.
    package var isMuted: Bool
    /// Once a visa said so or a sealed message was accepted: from then on unsealed ones are refused.
    package var isCulver: Bool
    /// A message or a receipt of it showed that it has our meta and visa.
    package var knowsUs: Bool
    /// Declared in the configuration: gone when the section is.
    package var isDeclared: Bool

    package init(
        id: ID, name: String? = nil, trust: Trust, isBlocked: Bool = false, isMuted: Bool = false,
        isCulver: Bool = false, knowsUs: Bool = false, isDeclared: Bool = false
    ) {
        self.id = id
        self.name = name
        self.trust = trust
        self.isBlocked = isBlocked
        self.isMuted = isMuted
        self.isCulver = isCulver
        self.knowsUs = knowsUs
        self.isDeclared = isDeclared
    }

    package enum Trust: String, Sendable {
        /// Wrote to us while `strangers = open`, or is blocked or muted without ever having been a contact.
        case stranger
        case contact
        /// The owner compared the verification code.
        case verified
    }

    /// Known only because it wrote: the owner has said nothing about it.
    package var isPassing: Bool { trust == .stranger && !isBlocked && !isMuted && !isDeclared && name == nil }

    /// Passes `ask` and `closed`.
    package var isTrusted: Bool { trust != .stranger && !isBlocked }
}
