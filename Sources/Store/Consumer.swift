/// A local program that reads the inbox at its own pace: culver-protocol(7), Consumers.
package struct Consumer: Sendable, Equatable {
    package var name: String
    /// Whose it is.
    package var uid: UInt32
    /// Everything up to this `seq` is acknowledged.
    package var cursor: Int64
    package var filter: InboxFilter
    /// How many messages may be unacknowledged at a time.
    package var window: Int
    /// Seconds since 1970, 0 while the clock was unset.
    package var created: Double

    package init(
        name: String, uid: UInt32, cursor: Int64, filter: InboxFilter = InboxFilter(), window: Int = 32, created: Double
    ) {
        self.name = name
        self.uid = uid
        self.cursor = cursor
        self.filter = filter
        self.window = window
        self.created = created
    }
}
