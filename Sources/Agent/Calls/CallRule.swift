package import DIMP
package import Format
package import Records

/// What may be called here, and by whom: a section `[call NAME]` of culver.conf(5), or what a program that serves calls
/// said.
package struct CallRule: Sendable, Equatable {
    package var command: String
    package var allowed: [Caller]
    /// The program that is run; `nil` where one on the socket serves.
    package var program: String?
    /// Seconds after which what runs is ended.
    package var timeout: Double
    /// Bytes of output in all.
    package var output: Int
    /// Calls of one caller a minute.
    package var rate: Int
    package var arguments: [ArgumentRule]
    /// Output goes to the caller as it comes.
    package var isStreamed: Bool

    package init(
        command: String, allowed: [Caller], program: String? = nil, timeout: Double = 60, output: Int = 64 << 10,
        rate: Int = 60, arguments: [ArgumentRule] = [], isStreamed: Bool = false
    ) {
        self.command = command
        self.allowed = allowed
        self.program = program
        self.timeout = timeout
        self.output = output
        self.rate = rate
        self.arguments = arguments
        self.isStreamed = isStreamed
    }

    package enum Caller: Sendable, Equatable {
        /// Everybody whose code the owner compared.
        case verified
        /// The contact of this name, or the contacts among the members of the group of this name.
        case name(String)
        /// The same by address; the name in an ID is a claim.
        case id(ID)
    }

    func allows(_ sender: ID, in book: any AddressBook) -> Bool {
        guard let contact = book.contact(sender.address), contact.isTrusted else { return false }
        return allowed.contains { caller in
            switch caller {
            case .verified: contact.trust == .verified
            case .name(let name):
                contact.name == name
                    || book.groups.contains { $0.name == name && $0.membership.contains(sender) }
            case .id(let id):
                id.address == sender.address || book.group(id.address)?.membership.contains(sender) == true
            }
        }
    }
}

/// What one argument may be: a subset of JSON Schema. `{"type": "integer", "minimum": 1, "maximum": 10}`
package struct ArgumentRule: Sendable, Equatable {
    package var type = Kind.string
    /// The values that there are, as texts; `nil` for any.
    package var values: [String]?
    package var least: Double?
    package var most: Double?
    /// An extended regular expression of POSIX for the whole of it.
    package var pattern: String?
    /// It may be missing, with all that follow.
    package var isOptional = false

    package enum Kind: String, Sendable, CaseIterable {
        case string, integer, number, boolean
    }

    /// Bytes of an argument, and of one that a pattern is compared with.
    package static let limit = 4_096
    package static let patternLimit = 256

    /// Why this is none, in words; `nil` when it is one. `matches` compares a text with a pattern.
    func fault(of text: String, matches: (String, String) -> Bool) -> String? {
        guard text.utf8.count <= Self.limit, !text.utf8.contains(0) else { return "is too long or has a NUL in it" }
        if let values { return values.contains { $0.utf8.elementsEqual(text.utf8) } ? nil : "is none of its values" }
        switch type {
        case .boolean: return text == "true" || text == "false" ? nil : "is neither true nor false"
        case .integer:
            guard text.utf8.count <= 20, let number = Int64(text), !text.utf8.starts(with: "+".utf8) else {
                return "is no whole number"
            }
            return bounds(Double(number))
        case .number:
            let plain = text.utf8.allSatisfy { Self.digits.contains($0) }
            guard plain, text.utf8.count <= 32, let number = Double(text), number.isFinite else {
                return "is no number"
            }
            return bounds(number)
        case .string:
            if let pattern {
                guard text.utf8.count <= Self.patternLimit else { return "is too long for a pattern" }
                return matches(pattern, text) ? nil : "does not match its pattern"
            }
            // A program would take it for an option.
            return text.utf8.first == UInt8(ascii: "-") ? "begins with a dash, which only a pattern can allow" : nil
        }
    }

    private static let digits = Set("0123456789+-.eE".utf8)

    private func bounds(_ number: Double) -> String? {
        if let least, number < least { return "is less than its minimum" }
        if let most, number > most { return "is more than its maximum" }
        return nil
    }
}

extension ArgumentRule {
    /// Reads the list of `args`. Throws what is wrong with it, in words.
    package static func list(_ json: JSON) throws(Refusal) -> [ArgumentRule] {
        guard let items = json.array else { throw refusal("is no list") }
        var rules: [ArgumentRule] = []
        for item in items {
            let rule = try ArgumentRule(item)
            if rules.last?.isOptional == true, !rule.isOptional {
                throw refusal("has a needed argument after an optional one")
            }
            rules.append(rule)
        }
        guard rules.count <= 64 else { throw refusal("has more than 64 arguments") }
        return rules
    }

    private init(_ json: JSON) throws(Refusal) {
        guard let object = json.object else { throw Self.refusal("has an entry that is no object") }
        for (name, value) in object.members {
            switch (name, value) {
            case ("type", .string(let text)):
                guard let kind = Kind(rawValue: text) else {
                    throw Self.refusal("has a type that there is not: \(text)")
                }
                type = kind
            case ("enum", .array(let list)):
                values = list.map { $0.string ?? $0.text }
            case ("minimum", _), ("min", _):
                guard let number = value.double else { throw Self.refusal("has a \(name) that is no number") }
                least = number
            case ("maximum", _), ("max", _):
                guard let number = value.double else { throw Self.refusal("has a \(name) that is no number") }
                most = number
            case ("pattern", .string(let text)):
                guard text.utf8.count <= Self.patternLimit, !text.utf8.contains(0) else {
                    throw Self.refusal("has a pattern of more than \(Self.patternLimit) bytes")
                }
                pattern = text
            case ("optional", .bool(let flag)): isOptional = flag
            default: throw Self.refusal("has a \(name) that is not known here")
            }
        }
        if pattern != nil, type != .string { throw Self.refusal("has a pattern for what is no string") }
        if least != nil || most != nil, type != .integer && type != .number {
            throw Self.refusal("has a minimum or maximum for what is no number")
        }
    }

    private static func refusal(_ words: String) -> Refusal { Refusal(.badData, "bad-schema", words) }
}
