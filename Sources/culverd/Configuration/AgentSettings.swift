import Agent
import Records

/// `[agent]`
struct AgentSettings: Settings, Sendable, Equatable {
    var state = "/var/lib/culver"
    var socket = "/run/culver/culver.sock"
    var strangers = Policy.Strangers.ask
    var log = EventRecord.Level.info
    /// A textfile of node_exporter; `nil` for none.
    var metricsFile: String?

    static let keys = ["state", "socket", "strangers", "log", "metrics_file"]

    mutating func set(_ key: String, to value: String) throws(InvalidValue) {
        switch key {
        case "state": state = try Values.path(value)
        case "socket": socket = try Values.socketPath(value)
        case "strangers": strangers = try Values.choice(value, of: Policy.Strangers.self)
        case "log": log = try Values.choice(value, of: EventRecord.Level.self)
        default: metricsFile = try Values.optionalPath(value)
        }
    }
}
