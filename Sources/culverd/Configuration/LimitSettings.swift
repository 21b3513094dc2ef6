/// `[limits]`: culver.conf(5), each by its name. Sizes are bytes, durations seconds.
struct LimitSettings: Settings, Sendable, Equatable {
    var controlLine = 2 << 20
    var clients = 64
    var clientsPerUser = 16
    var message = 1 << 20
    var jsonDepth = 32
    var jsonValues = 16_384
    var outboxMessages = 10_000
    var outboxSize: Int64 = 64 << 20
    var inboxMessages = 100_000
    var inboxSize: Int64 = 256 << 20
    var parkedPerSender = 64
    var parkedMessages = 1_000
    var parkedSize: Int64 = 64 << 20
    var parkedAge = 7 * 86_400
    /// Private-key operations a second for all strangers together, and for one peer.
    var strangerKeyOperations = 30
    var peerKeyOperations = 5
    /// Between two questions for one ID's meta, and questions for all a minute.
    var metaQueryInterval = 600
    var metaQueries = 30
    var directorySubscriptions = 256
    var forwardDepth = 3
    var forwardMessages = 16
    var arrayContents = 64
    var file = 16 << 20
    var events = 20_000

    private static let greatestSize: Int64 = 1 << 40

    static let keys = [
        "control_line", "clients", "clients_per_user", "message", "json_depth", "json_values", "outbox_messages",
        "outbox_size", "inbox_messages", "inbox_size", "parked_per_sender", "parked_messages", "parked_size",
        "parked_age", "stranger_key_operations", "peer_key_operations", "meta_query_interval", "meta_queries",
        "directory_subscriptions", "forward_depth", "forward_messages", "array_contents", "file", "events",
    ]

    mutating func set(_ key: String, to value: String) throws(InvalidValue) {
        switch key {
        case "control_line": controlLine = Int(clamping: try Values.size(value, in: 64 << 10...16 << 20))
        case "clients": clients = try Values.count(value, in: 1...1_000)
        case "clients_per_user": clientsPerUser = try Values.count(value, in: 1...1_000)
        case "message": message = Int(clamping: try Values.size(value, in: 4 << 10...4 << 20))
        case "json_depth": jsonDepth = try Values.count(value, in: 8...64)
        case "json_values": jsonValues = try Values.count(value, in: 256...262_144)
        case "outbox_messages": outboxMessages = try Values.count(value, in: 1...10_000_000)
        case "outbox_size": outboxSize = try Values.size(value, in: 64 << 10...Self.greatestSize)
        case "inbox_messages": inboxMessages = try Values.count(value, in: 1...10_000_000)
        case "inbox_size": inboxSize = try Values.size(value, in: 64 << 10...Self.greatestSize)
        case "parked_per_sender": parkedPerSender = try Values.count(value, in: 1...10_000)
        case "parked_messages": parkedMessages = try Values.count(value, in: 1...100_000)
        case "parked_size": parkedSize = try Values.size(value, in: 64 << 10...Self.greatestSize)
        case "parked_age": parkedAge = try Values.duration(value, in: 60...31 * 86_400)
        default: try setRate(key, to: value)
        }
    }

    private mutating func setRate(_ key: String, to value: String) throws(InvalidValue) {
        switch key {
        case "stranger_key_operations": strangerKeyOperations = try Values.count(value, in: 1...10_000)
        case "peer_key_operations": peerKeyOperations = try Values.count(value, in: 1...10_000)
        case "meta_query_interval": metaQueryInterval = try Values.duration(value, in: 1...86_400)
        case "meta_queries": metaQueries = try Values.count(value, in: 1...10_000)
        case "directory_subscriptions": directorySubscriptions = try Values.count(value, in: 1...10_000)
        case "forward_depth": forwardDepth = try Values.count(value, in: 1...8)
        case "forward_messages": forwardMessages = try Values.count(value, in: 1...256)
        case "array_contents": arrayContents = try Values.count(value, in: 1...1_024)
        case "file": file = Int(clamping: try Values.size(value, in: 1 << 10...1 << 30))
        default: events = try Values.count(value, in: 100...1_000_000)
        }
    }
}

/// `[delivery]`, in seconds
struct DeliverySettings: Settings, Sendable, Equatable {
    /// Until the first repeat.
    var receiptTimeout = 10
    var expiry = 7 * 86_400
    /// How long the inbox keeps what everybody has read.
    var keep = 30 * 86_400

    static let keys = ["receipt_timeout", "expiry", "keep"]

    mutating func set(_ key: String, to value: String) throws(InvalidValue) {
        switch key {
        case "receipt_timeout": receiptTimeout = try Values.duration(value, in: 1...3_600)
        case "expiry": expiry = try Values.duration(value, in: 1...14 * 86_400)
        default: keep = try Values.duration(value, in: 3_600...3_650 * 86_400)
        }
    }
}
