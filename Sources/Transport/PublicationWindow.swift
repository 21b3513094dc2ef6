/// The publications of one connection that the broker has not acknowledged: as many at once as it says that it takes, and
/// never more than 256, because each of them is perhaps lost when the connection ends. MQTT 3.1.1 says nothing of it: there
/// it is twenty, as common clients have it.
package struct PublicationWindow: Sendable {
    private let capacity: Int
    private var tokens: Set<Int32> = []
    /// The owner has filled it, or was turned away, and is to hear when there is room.
    private var isAwaited = false

    private static let largest = 256
    private static let cautious = 20

    /// - Parameter receiveMaximum: how many the broker takes at once; `nil` where its MQTT has no word for it.
    package init(receiveMaximum: UInt16? = nil) {
        capacity = min(Self.largest, receiveMaximum.map(Int.init) ?? Self.cautious)
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
