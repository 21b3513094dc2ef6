/// The sections that there are, with the name of those that have one.
enum SectionName: Hashable, Sendable {
    case agent, identity, delivery, access, relay, files, keys, limits
    case broker(String), contact(String), call(String), bridge(String)

    init(_ text: String) throws(InvalidValue) {
        let words = text.split { $0 == " " || $0 == "\t" }.map(String.init)
        switch (words.first, words.count) {
        case ("agent", 1): self = .agent
        case ("identity", 1): self = .identity
        case ("delivery", 1): self = .delivery
        case ("access", 1): self = .access
        case ("relay", 1): self = .relay
        case ("files", 1): self = .files
        case ("keys", 1): self = .keys
        case ("limits", 1): self = .limits
        case ("broker", 1): self = .broker(BrokerSettings.plain)
        case ("broker", 2): self = .broker(try Values.label(words[1]))
        case ("contact", 2): self = .contact(try Values.label(words[1]))
        case ("call", 2): self = .call(try Values.label(words[1]))
        case ("bridge", 2): self = .bridge(try Values.label(words[1]))
        case ("contact", 1), ("call", 1), ("bridge", 1): throw InvalidValue("a name is missing: [\(text) NAME]")
        default: throw InvalidValue("there is no such section")
        }
    }

    static let unnamed: [SectionName] = [
        .agent, .identity, .broker(BrokerSettings.plain), .delivery, .access, .relay, .files, .keys, .limits,
    ]

    var keys: [String] {
        switch self {
        case .agent: AgentSettings.keys
        case .identity: IdentitySettings.keys
        case .broker: BrokerSettings.keys
        case .contact: ContactSettings.keys
        case .delivery: DeliverySettings.keys
        case .access: AccessSettings.keys
        case .call: CallSettings.keys
        case .bridge: BridgeSettings.keys
        case .relay: RelaySettings.keys
        case .files: FileSettings.keys
        case .keys: KeySettings.keys
        case .limits: LimitSettings.keys
        }
    }

    /// As it stands in a file.
    var text: String {
        switch self {
        case .agent: "agent"
        case .identity: "identity"
        case .delivery: "delivery"
        case .access: "access"
        case .relay: "relay"
        case .files: "files"
        case .keys: "keys"
        case .limits: "limits"
        case .broker(BrokerSettings.plain): "broker"
        case .broker(let name): "broker \(name)"
        case .contact(let name): "contact \(name)"
        case .call(let name): "call \(name)"
        case .bridge(let name): "bridge \(name)"
        }
    }

    /// `CULVER_<SECTION>_<KEY>`: upper case, `_` for whatever is no letter or digit.
    func variable(for key: String) -> String {
        let text = "CULVER_\(text)_\(key)".uppercased()
        return String(text.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
    }
}
