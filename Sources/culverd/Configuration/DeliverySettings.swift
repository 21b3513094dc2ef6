/// `[delivery]`, in seconds
struct DeliverySettings: Settings, Sendable, Equatable {
    /// Until the first repeat.
    var receiptTimeout = 10
    var expiry = 7 * 86_400
    /// How long the inbox keeps what everybody has read.
    var keep = 30 * 86_400

    static let keys = ["receipt_timeout", "expiry", "keep"]

    mutating func set(_ key: String, _ value: String) throws(InvalidValue) {
        switch key {
        case "receipt_timeout": receiptTimeout = try Values.duration(value, 1...3_600)
        case "expiry": expiry = try Values.duration(value, 1...14 * 86_400)
        default: keep = try Values.duration(value, 3_600...3_650 * 86_400)
        }
    }
}
