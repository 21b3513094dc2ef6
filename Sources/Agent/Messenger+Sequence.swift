import DIMP
import Format
import Records

/// Numbers inside sealed contents tell what never came, and who has a copy of a sender's keys (extensions.md 3).
extension Messenger {
    /// How long a hole may be filled by repeats before somebody is told.
    static var patienceForHoles: Double { 120 }

    /// Takes note of an accepted message's number.
    mutating func follow(_ opened: Opened, _ now: Moment) throws(LedgerError) {
        guard opened.isSealed, opened.isEncrypted, let seq = opened.content.json["seq"],
            let stream = seq["s"]?.string, (1...32).contains(stream.utf8.count),
            stream.utf8.allSatisfy({ (0x21...0x7E).contains($0) }), let number = seq["n"]?.integer, number > 0
        else { return }
        let key = "window \(opened.arrival.owner) \(opened.sender.address) \(opened.envelope.target.address)"
        var kept = try keptWindows(key)
        var window = ReplayWindow(first: number)
        if let index = kept.firstIndex(where: { $0.stream == stream }) {
            window = kept.remove(at: index).window
            if window.take(number, lived: now.lived) == .again {
                counts.sameNumbers += 1
                try note(
                    .clone, .warning,
                    "\(opened.sender) sent two messages with the number \(number): two boards may have its keys",
                    did: opened.sender, reason: "same-number", now)
            }
        }
        try keep([(stream, window)] + kept.prefix(Self.streams - 1), key, of: opened.sender)
    }

    /// Holes that nobody filled in time.
    mutating func tellHoles(_ now: Moment) throws(LedgerError) {
        for (key, missing) in holes where now.lived >= missing.due {
            var kept = try keptWindows(key)
            let overdue = kept.indices.flatMap {
                kept[$0].window.overdue(lived: now.lived, patience: Self.patienceForHoles)
            }
            for hole in overdue {
                let range =
                    hole.from == hole.through ? "message \(hole.from)" : "messages \(hole.from) to \(hole.through)"
                counts.gaps += 1
                try note(
                    .gap, .warning, "\(range) of \(missing.sender) did not come", did: missing.sender.bare,
                    reason: "\(hole.from)-\(hole.through)", now)
            }
            try keep(kept, key, of: missing.sender)
        }
    }

    /// A stream with holes, and when to speak of them.
    struct Missing {
        var sender: ID
        var due: Double
    }

    /// Streams of one sender that are followed at a time: what was sent before it numbered anew still comes.
    private static var streams: Int { 4 }

    /// The stream of the last message first.
    private func keptWindows(_ key: String) throws(LedgerError) -> [(stream: String, window: ReplayWindow)] {
        (try ledger.value(key: key) ?? "").split(separator: "\n").compactMap { line in
            guard let space = line.firstIndex(of: " "),
                let window = ReplayWindow(String(line[space...].dropFirst()))
            else { return nil }
            return (String(line[..<space]), window)
        }
    }

    private mutating func keep(
        _ windows: [(stream: String, window: ReplayWindow)], _ key: String, of sender: ID
    ) throws(LedgerError) {
        let lines = windows.map { "\($0.stream) \($0.window.text)" }
        try ledger.apply(.value(key: key, lines.isEmpty ? nil : lines.joined(separator: "\n")))
        let oldest = windows.compactMap(\.window.nextHole).min()
        holes[key] = oldest.map { Missing(sender: sender, due: $0 + Self.patienceForHoles) }
    }
}
