/// What the daemon is told: culver.conf(5). Every value has its default here; `config/culver.conf` says the same.
struct Configuration: Sendable, Equatable {
    var agent = AgentSettings()
    var identity = IdentitySettings()
    /// In the order of the files. `[broker]` alone when none is named.
    var brokers: [BrokerSettings] = [BrokerSettings()]
    var contacts: [ContactSettings] = []
    var delivery = DeliverySettings()
    var access = AccessSettings()
    var calls: [CallSettings] = []
    var bridges: [BridgeSettings] = []
    var relay = RelaySettings()
    var files = FileSettings()
    var keys = KeySettings()
    var limits = LimitSettings()
}

/// A section's values: which keys it has, and what each does.
protocol Settings {
    static var keys: [String] { get }
    /// `key` is one of `keys`.
    mutating func set(_ key: String, to value: String) throws(InvalidValue)
}
