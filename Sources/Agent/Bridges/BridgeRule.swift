package import DIMP

/// What one bridge takes and lets in: a section `[bridge NAME]` of culver.conf(5).
package struct BridgeRule: Sendable, Equatable {
    package var name: String
    package var peer: NamedPeer
    /// Topics of the local broker that go to the peer, and the peer's that are let in.
    package var out: [BridgeFilter]
    package var inward: [BridgeFilter]
    /// Stands before the peer's topics on the local broker.
    package var prefix: String
    package var keep: Keep
    package var retain: Retain

    package init(
        name: String, peer: NamedPeer, out: [BridgeFilter] = [], inward: [BridgeFilter] = [], prefix: String = "",
        keep: Keep = .latest, retain: Retain = .asIs
    ) {
        self.name = name
        self.peer = peer
        self.out = out
        self.inward = inward
        self.prefix = prefix
        self.keep = keep
        self.retain = retain
    }

    package enum NamedPeer: Sendable, Equatable {
        /// The name that this board gave to a contact.
        case name(String)
        /// By address; the name in an ID is a claim.
        case id(ID)
    }

    /// What waits while the other side is away.
    package enum Keep: String, Sendable, CaseIterable {
        /// The newest message of each topic.
        case latest
        case all
    }

    package enum Retain: String, Sendable, CaseIterable {
        case asIs = "as-is"
        case never
    }

    func takes(_ topic: String) -> Bool { out.contains { $0.takes(topic) } }

    func letsIn(_ topic: String) -> Bool { inward.contains { $0.takes(topic) } }

    /// Whether this bridge may be who published the topic on the local broker.
    func mayPublish(_ topic: String) -> Bool {
        guard topic.utf8.starts(with: prefix.utf8) else { return false }
        return letsIn(String(decoding: topic.utf8.dropFirst(prefix.utf8.count), as: UTF8.self))
    }

    /// Whom it names; `nil` for a name that no contact has.
    package func contact(in book: any AddressBook) -> ID? {
        switch peer {
        case .name(let name): book.contact(named: name)?.id.bare
        case .id(let id): book.contact(id.address)?.id.bare ?? id.bare
        }
    }

    /// Only those that the owner took for a contact.
    func isFrom(_ sender: ID, in book: any AddressBook) -> Bool {
        guard let contact = book.contact(sender.address), contact.isTrusted, !contact.isBlocked else { return false }
        switch peer {
        case .name(let name): return contact.name.map { $0.utf8.elementsEqual(name.utf8) } ?? false
        case .id(let id): return id.address == sender.address
        }
    }
}

extension Policy {
    func bridge(named name: String) -> BridgeRule? { bridges.first { $0.name == name } }

    /// Whether it is a topic of culver's own. A local broker may be one that messages go through as well: each message of a
    /// bridge would then make another.
    func isOwn(_ topic: String) -> Bool { topicRoots.contains { topic.utf8.starts(with: "\($0)/".utf8) } }
}
