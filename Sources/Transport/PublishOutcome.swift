/// What the broker made of a publication.
package enum PublishOutcome: Sendable, Equatable {
    /// Taken. In MQTT 3.1.1 it proves nothing, not even permission.
    case accepted
    /// Taken, and nobody is subscribed (MQTT 5, PUBACK 0x10). A broker need not say so.
    case nobody
    /// Not taken (PUBACK 0x80 and up).
    case refused(code: UInt8, reason: String)
}
