/// Under which client ids this board is known at one broker: the one of its section, or another one as long as somebody
/// else holds that. The broker keeps a session for each, with a queue; so an id that is given up for good is visited once
/// more, to have its session removed.
///
///     own ──taken over──▶ another one, kept over restarts
///      ▲ ▲                   │
///      │ └──refused──────────┘
///      └──the end of the one connection── a guess ◀── connections lost as if somebody else took the id
struct ClientIDs: Sendable, Equatable {
    /// The id of this section, of this installation, on this machine.
    let own: String
    private(set) var current: String
    /// Ids of which a session may be left at the broker.
    private(set) var abandoned: [String] = []
    /// Nobody said that another has our id. Nothing is to be left behind under this one.
    private(set) var isGuess = false

    /// - Parameter remembered: what was written down (`text`) by an earlier start.
    init(own: String, remembered: String? = nil) {
        self.own = own
        current = own
        let words = (remembered ?? "").split(separator: " ").map(String.init)
        guard let last = words.first else { return }
        abandoned = words.dropFirst().filter { $0 != own }
        if last.hasPrefix(Self.stem(of: own) + "-") {
            current = last
        } else if last != own {
            // The machine's id has changed.
            abandoned = [last] + abandoned
        }
        abandoned = Array(abandoned.prefix(4))
    }

    /// As it is written down: the one in use, and those that are given up.
    var text: String { ([isGuess ? own : current] + abandoned).joined(separator: " ") }

    /// The broker said that another client took it.
    mutating func takenOver() { changeCurrent() }

    /// Connections are lost as if another client took it, and nobody says so.
    mutating func suspect() {
        changeCurrent()
        isGuess = true
    }

    /// The broker does not accept it. True if there is another one to go back to.
    mutating func refused() -> Bool {
        guard current != own else { return false }
        (current, isGuess) = (own, false)
        return true
    }

    /// True if the next connection is to be made under our own one again.
    mutating func connectionEnded() -> Bool { isGuess && refused() }

    /// Its session is removed, or cannot be.
    mutating func removed(_ id: String) { abandoned.removeAll { $0 == id } }

    private mutating func changeCurrent() {
        let suffix = String(UInt32.random(in: 0..<1_679_616), radix: 36)
        current = "\(Self.stem(of: own))-\(suffix)"
        isGuess = false
    }

    /// So short that the whole has no more than the 23 characters that every broker accepts (MQTT 3.1.1, 3.1.3.1).
    private static func stem(of id: String) -> String { String(id.prefix(18)) }
}
