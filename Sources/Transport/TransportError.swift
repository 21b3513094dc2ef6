/// Why the transport would not do what it was asked.
package enum TransportError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Not connected, or too many publications are unacknowledged: ask again on `.connected` or `.roomAgain`.
    case notNow
    /// It can never be done like this; the words say why.
    case refused(String)

    package var description: String {
        switch self {
        case .notNow: "the broker cannot take it now"
        case .refused(let reason): reason
        }
    }
}
