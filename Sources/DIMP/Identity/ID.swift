/// `[name "@"] address ["/" terminal]` (wire.md 2.1).
///
/// Two IDs are equal when name and address are, as bytes: a terminal names a device of the same entity.
public struct ID: Sendable, CustomStringConvertible {
    /// What stands before the `@`; the seed of the meta, if the meta vouches for this ID.
    public let name: String?
    public let address: Address
    package let terminal: String?

    package init(name: String?, address: Address, terminal: String? = nil) {
        self.name = name
        self.address = address
        self.terminal = terminal
    }

    /// `nil` for a wrong address, for a second `@`, and for names with control characters or white space around
    /// them: stock readers disagree about those.
    public init?(_ text: String) {
        guard text.utf8.count <= 1024 else { return nil }
        let utf8 = text.utf8
        let slash = utf8.firstIndex(of: UInt8(ascii: "/"))
        let entity = text[..<(slash ?? utf8.endIndex)]
        let at = entity.utf8.firstIndex(of: UInt8(ascii: "@"))
        // A second `@` is no digit of any address.
        let last = at.map { entity[utf8.index(after: $0)...] } ?? entity
        guard let address = Address(String(last)) else { return nil }
        self.address = address
        if let at, at != utf8.startIndex {
            guard Self.isName(text[..<at]) else { return nil }
            name = String(text[..<at])
        } else {
            name = nil
        }
        let terminal = slash.map { text[utf8.index(after: $0)...] } ?? ""
        guard terminal.isEmpty || Self.isName(terminal) else { return nil }
        self.terminal = terminal.isEmpty ? nil : String(terminal)
    }

    public static let anyone = ID(name: "anyone", address: .anywhere)
    public static let everyone = ID(name: "everyone", address: .everywhere)

    package var isBroadcast: Bool { address.isBroadcast }
    package var isGroup: Bool { address.isGroup }
    /// A group of its own, with a meta: `everyone` has none.
    package var hasMembers: Bool { isGroup && !isBroadcast }

    /// Without the terminal: what files, caches and `keys` are named by.
    package var bare: ID { ID(name: name, address: address) }

    /// As it is written everywhere.
    public var text: String {
        (name.map { "\($0)@" } ?? "") + address.text + (terminal.map { "/\($0)" } ?? "")
    }

    public var description: String { text }

    private static func isName(_ text: Substring) -> Bool {
        if text.utf8.allSatisfy({ 0x21...0x7E ~= $0 }) { return true }
        guard let first = text.unicodeScalars.first, let last = text.unicodeScalars.last else { return false }
        return !first.properties.isWhitespace && !last.properties.isWhitespace
            && text.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
    }
}

extension ID: Hashable {
    public static func == (left: ID, right: ID) -> Bool {
        left.address == right.address && (left.name ?? "").utf8.elementsEqual((right.name ?? "").utf8)
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(address)
    }
}
