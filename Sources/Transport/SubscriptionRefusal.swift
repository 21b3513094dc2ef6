/// A topic that may not be subscribed to, and why.
package struct SubscriptionRefusal: Sendable, Equatable {
    package let topic: String
    /// The broker's reason code, 0x80 and up; 0x8F also for a topic that we did not even ask for, being no valid filter.
    package let code: UInt8
    package let reason: String
}
