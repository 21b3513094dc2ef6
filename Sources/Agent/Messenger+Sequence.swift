import DIMP
import Format
import Records

/// Numbers inside sealed contents tell what never came, and who has a copy of a sender's keys (design section 5.2).
extension Messenger {
    /// How long a hole may be filled by repeats before somebody is told.
    static var patienceForHoles: Double { 120 }

    /// Takes note of an accepted message's number.
    mutating func follow(_ opened: Opened, _ now: Moment) throws(LedgerError) {
        guard opened.isSealed, opened.isEncrypted, let seq = opened.content.json["seq"],
            let stream = seq["s"]?.string, (1...32).contains(stream.utf8.count),
            !stream.utf8.contains(UInt8(ascii: " ")), let number = seq["n"]?.integer, number > 0
        else { return }
        let key = "window \(opened.arrival.owner) \(opened.sender.address) \(opened.envelope.target.address)"
        var window = ReplayWindow(first: number)
        if let kept = try keptWindow(key), kept.stream == stream {
            window = kept.window
            if window.take(number, lived: now.lived) == .again {
                try note(
                    .clone, .warning,
                    "\(opened.sender) sent two messages with the number \(number): two boards may have its keys",
                    did: opened.sender, reason: "same-number", now)
            }
        }
        try keep(window, stream, key)
        holes[key] = window.nextHole.map { Missing(sender: opened.sender, due: $0 + Self.patienceForHoles) }
    }

    /// Holes that nobody filled in time.
    mutating func tellHoles(_ now: Moment) throws(LedgerError) {
        for (key, missing) in holes where now.lived >= missing.due {
            guard var kept = try keptWindow(key) else {
                holes[key] = nil
                continue
            }
            for hole in kept.window.overdue(lived: now.lived, patience: Self.patienceForHoles) {
                let range =
                    hole.from == hole.through ? "message \(hole.from)" : "messages \(hole.from) to \(hole.through)"
                try note(
                    .gap, .warning, "\(range) of \(missing.sender) did not come", did: missing.sender.bare,
                    reason: "\(hole.from)-\(hole.through)", now)
            }
            try keep(kept.window, kept.stream, key)
            holes[key] = kept.window.nextHole.map { Missing(sender: missing.sender, due: $0 + Self.patienceForHoles) }
        }
    }

    /// A stream with holes, and when to speak of them.
    struct Missing {
        var sender: ID
        var due: Double
    }

    private func keptWindow(_ key: String) throws(LedgerError) -> (stream: String, window: ReplayWindow)? {
        guard let text = try ledger.value(key: key), let space = text.firstIndex(of: " "),
            let window = ReplayWindow(String(text[text.index(after: space)...]))
        else { return nil }
        return (String(text[..<space]), window)
    }

    private func keep(_ window: ReplayWindow, _ stream: String, _ key: String) throws(LedgerError) {
        try ledger.apply(.value(key: key, "\(stream) \(window.text)"))
    }
}
