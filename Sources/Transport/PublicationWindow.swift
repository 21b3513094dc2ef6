/// The publications of one connection that the broker has not acknowledged: as many at once as it takes, never more
/// than twenty, because each of them is perhaps lost when the connection ends.
package struct PublicationWindow: Sendable {
    private let capacity: Int
    private var tokens: Set<Int32> = []
    /// The owner has filled it, or was turned away, and is to hear when there is room.
    private var isAwaited = false

    /// - Parameter receiveMaximum: how many the broker takes at once, if it said so.
    package init(receiveMaximum: UInt16? = nil) {
        capacity = min(20, Int(receiveMaximum ?? 20))
    }

    /// How many more may go.
    package var room: Int { max(0, capacity - tokens.count) }

    /// Whether another may go now.
    package mutating func admits() -> Bool {
        if room == 0 { isAwaited = true }
        return room > 0
    }

    package mutating func add(_ token: Int32) {
        tokens.insert(token)
        isAwaited = room == 0
    }

    /// - Returns: whether it was one of these, and had no answer yet.
    package mutating func acknowledge(_ token: Int32) -> Bool { tokens.remove(token) != nil }

    /// Whether there is room now for an owner that waits for it. Answered with yes once.
    package mutating func hasRoomAgain() -> Bool {
        guard isAwaited, room > 0 else { return false }
        isAwaited = false
        return true
    }
}
