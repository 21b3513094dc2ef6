import Agent
import DIMP
import Transport

/// `[bridge NAME]`: a local broker, and a contact whose local broker gets its topics.
struct BridgeSettings: Settings, Sendable, Equatable {
    /// How the local broker is reached; keys of `[broker]`, whose `url` is called `broker` here.
    var local: BrokerSettings
    /// A contact's name or ID; empty only until it is set.
    var peer = ""
    var out: [BridgeFilter] = []
    var inward: [BridgeFilter] = []
    var prefix = ""
    var keep = BridgeRule.Keep.latest
    var retain = BridgeRule.Retain.asIs
    /// `broker` was set; its default is that of `[broker]`.
    var hasBroker = false

    var name: String { local.name }

    /// How many there may be.
    static let limit = 8

    private static let ownKeys = ["broker", "peer", "out", "in", "prefix", "keep", "retain"]
    private static let brokerKeys = ["username", "password_file", "ca_file", "cert_file", "key_file", "keep_alive"]
    static let keys = ownKeys + brokerKeys

    init(name: String) {
        local = BrokerSettings(name: name)
    }

    mutating func set(_ key: String, to value: String) throws(InvalidValue) {
        switch key {
        case "broker":
            try local.set("url", to: value)
            hasBroker = true
        case "peer": peer = try Values.nameOrID(value)
        case "out": out = try Self.filters(value)
        case "in": inward = try Self.filters(value)
        case "prefix": prefix = try Self.prefix(value)
        case "keep": keep = try Values.choice(value, of: BridgeRule.Keep.self)
        case "retain": retain = try Values.choice(value, of: BridgeRule.Retain.self)
        default: try local.set(key, to: value)
        }
    }

    private static func filters(_ value: String) throws(InvalidValue) -> [BridgeFilter] {
        var filters: [BridgeFilter] = []
        for word in Values.list(value) {
            guard let filter = BridgeFilter(word) else {
                throw InvalidValue(
                    "\(Values.quoted(word)) is no filter; write topics in which + stands for one level and # at the end "
                        + "for all that follow")
            }
            filters.append(filter)
        }
        return BridgeFilter.withoutCovered(filters)
    }

    private static func prefix(_ value: String) throws(InvalidValue) -> String {
        guard !value.contains(where: { "+#".contains($0) }), !value.hasPrefix("$") else {
            throw InvalidValue(
                "\(Values.quoted(value)) begins no topic; write words with / behind them, without + and #")
        }
        return value
    }

    var rule: BridgeRule {
        BridgeRule(
            name: name, peer: ID(peer).map { .id($0) } ?? .name(peer), out: out, inward: inward, prefix: prefix,
            keep: keep, retain: retain)
    }

    var fault: (key: String, words: String)? {
        if let fault = local.fault { return fault }
        if !hasBroker { return ("broker", "is missing: a bridge needs the URL of a local broker") }
        if peer.isEmpty { return ("peer", "is missing: a bridge needs a contact") }
        return out.isEmpty && inward.isEmpty ? ("out", "is missing, and in as well: nothing would pass") : nil
    }
}
