import System

/// The state of one connection: it begins with the socket and goes with it.
@MainActor
final class MosquittoConnection {
    let handle: Handle
    let watcher: SocketWatcher
    var timer: MainQueueTimer?
    /// The moment of the CONNACK that accepted the link; `nil` before.
    var since: Double?
    var greeting = Greeting()
    /// TLS stands: what fails from here on is not its fault.
    var isSecured = false
    var window = PublicationWindow()
    /// The topics asked for, by the token of the answer.
    var asked: [Int32: [String]] = [:]
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

    init(_ handle: Handle, _ watcher: SocketWatcher) {
        self.handle = handle
        self.watcher = watcher
    }
}
