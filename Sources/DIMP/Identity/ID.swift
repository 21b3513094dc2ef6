/// `[name "@"] address ["/" terminal]` (protocol.md 2.1).
///
/// Two IDs are equal when name and address are, as bytes: a terminal names a device of the same entity.
package struct ID: Sendable, CustomStringConvertible {
    package let name: String?
    package let address: Address
    package let terminal: String?

    package init(name: String?, address: Address, terminal: String? = nil) {
        self.name = name
        self.address = address
        self.terminal = terminal
    }

    /// `nil` for a wrong address, for a second `@`, and for names with control characters or white space around
    /// them: stock readers disagree about those.
    package init?(_ text: String) {
        guard text.utf8.count <= 1024 else { return nil }
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let entity = parts[0].split(separator: "@", omittingEmptySubsequences: false)
        guard entity.count <= 2, let last = entity.last, let address = Address(String(last)) else { return nil }
        self.address = address
        if entity.count == 2, !entity[0].isEmpty {
            guard Self.isName(entity[0]) else { return nil }
            name = String(entity[0])
        } else {
            name = nil
        }
        if parts.count == 2, !parts[1].isEmpty {
            guard Self.isName(parts[1]) else { return nil }
            terminal = String(parts[1])
        } else {
            terminal = nil
        }
    }

    package static let anyone = ID(name: "anyone", address: .anywhere)
    package static let everyone = ID(name: "everyone", address: .everywhere)

    package var isBroadcast: Bool { address.isBroadcast }
    package var isGroup: Bool { address.isGroup }

    /// Without the terminal: what files, caches and `keys` are named by.
    package var bare: ID { ID(name: name, address: address) }

    package var text: String {
        (name.map { "\($0)@" } ?? "") + address.text + (terminal.map { "/\($0)" } ?? "")
    }

    package var description: String { text }

    private static func isName(_ text: Substring) -> Bool {
        guard let first = text.unicodeScalars.first, let last = text.unicodeScalars.last else { return false }
        return !first.properties.isWhitespace && !last.properties.isWhitespace
            && text.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
    }
}

extension ID: Hashable {
    package static func == (left: ID, right: ID) -> Bool {
        left.address == right.address && (left.name ?? "").utf8.elementsEqual((right.name ?? "").utf8)
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(address)
    }
}
