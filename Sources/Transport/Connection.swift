/// What belongs to one connection and goes with it.
@MainActor
final class Connection {
    let handle: Handle
    let wire: SocketWatcher
    var alarm: Alarm?
    /// The moment of the CONNACK that let us in; `nil` before.
    var since: Double?
    var greeting = Greeting()
    /// TLS stands: what fails from here on is not its fault.
    var isSecured = false
    /// Tokens of publications without an answer.
    var unacknowledged: Set<Int32> = []
    /// The topics asked for, by the token of the answer.
    var asked: [Int32: [String]] = [:]
    /// Somebody met a full house and waits for `.roomAgain`.
    var isFull = false
    var end = End.open
    /// The reason that the broker gave in its DISCONNECT.
    var farewell: String?

    /// How far a clean end has come.
    enum End {
        case open
        /// The last publications are out, DISCONNECT follows their acknowledgement.
        case lastWords(Set<Int32>)
        case disconnecting
        /// DISCONNECT is out; the broker has to hang up.
        case lingering
    }

    init(_ handle: Handle, _ wire: SocketWatcher) {
        self.handle = handle
        self.wire = wire
    }

    /// How many publications may be unacknowledged at once.
    var capacity: Int { min(20, Int(greeting.receiveMaximum ?? 20)) }
}
