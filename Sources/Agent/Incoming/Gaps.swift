import DIMP
import Records

/// Numbers inside sealed contents tell what never came, and who has a copy of a sender's keys (extensions.md 3). The windows
/// of numbers are in the ledger; here is only when a hole is to be told.
struct Gaps {
    /// Windows with holes in them.
    private var holes: [LedgerKey: HoleWatch] = [:]

    private struct HoleWatch {
        var sender: ID
        /// When the oldest is told, in seconds lived.
        var due: Double
    }

    /// Takes note of the numbers in one accepted message, all of one sender for one target. Their windows are read and
    /// written once.
    mutating func follow(_ marks: [SequenceMark], in context: inout Context) throws(LedgerError) {
        guard let first = marks.first else { return }
        var windows = try windows(first.key, in: context)
        var again: [Int64] = []
        for mark in marks {
            if let index = windows.firstIndex(where: { $0.stream == mark.stream }) {
                if index > 0 { windows.insert(windows.remove(at: index), at: 0) }
                if windows[0].window.take(mark.number, lived: context.now.lived) == .again { again.append(mark.number) }
            } else {
                windows.insert((mark.stream, ReplayWindow(first: mark.number)), at: 0)
                if windows.count > Tuning.followedStreams { windows.removeLast() }
            }
        }
        if !again.isEmpty { try tellOfCopy(again, of: first.sender, in: &context) }
        try keep(windows, under: first.key, of: first.sender, in: context)
    }

    private func tellOfCopy(_ numbers: [Int64], of sender: ID, in context: inout Context) throws(LedgerError) {
        context.counts.sameNumbers += Int64(numbers.count)
        let rest = numbers.count > 1 ? " and \(numbers.count - 1) more of its numbers" : ""
        try context.note(
            .clone, level: .warning,
            text: "\(sender) sent two messages with the number \(numbers[0])\(rest): two boards may have its keys",
            did: sender, reason: "same-number", count: Int64(numbers.count))
    }

    /// Tells holes that were not filled in time.
    mutating func tell(in context: inout Context) throws(LedgerError) {
        let lived = context.now.lived
        for (key, hole) in holes where lived >= hole.due {
            var windows = try windows(key, in: context)
            for index in windows.indices {
                for missing in windows[index].window.overdue(lived: lived, patience: Tuning.holePatience) {
                    let range =
                        missing.from == missing.through
                        ? "message \(missing.from)" : "messages \(missing.from) to \(missing.through)"
                    context.counts.gaps += 1
                    try context.note(
                        .gap, level: .warning, text: "\(range) of \(hole.sender) did not come", did: hole.sender.bare,
                        reason: "\(missing.from)-\(missing.through)")
                }
            }
            try keep(windows, under: key, of: hole.sender, in: context)
        }
    }

    /// The windows are gone.
    mutating func forget() {
        holes = [:]
    }

    var nextDue: Double? { holes.values.lazy.map(\.due).min() }

    /// The stream of the last message first.
    private func windows(
        _ key: LedgerKey, in context: Context
    ) throws(LedgerError) -> [(stream: String, window: ReplayWindow)] {
        (try context.ledger.value(key) ?? "").split(separator: "\n").compactMap { line in
            guard let space = line.firstIndex(of: " "),
                let window = ReplayWindow(String(line[space...].dropFirst()))
            else { return nil }
            return (String(line[..<space]), window)
        }
    }

    private mutating func keep(
        _ windows: [(stream: String, window: ReplayWindow)], under key: LedgerKey, of sender: ID, in context: Context
    ) throws(LedgerError) {
        let lines = windows.map { "\($0.stream) \($0.window.text)" }
        try context.ledger.apply(.value(key, lines.isEmpty ? nil : lines.joined(separator: "\n")))
        let oldest = windows.compactMap(\.window.nextHole).min()
        holes[key] = oldest.map { HoleWatch(sender: sender, due: $0 + Tuning.holePatience) }
    }
}

/// The number of a sealed content in its sender's stream (extensions.md 3, Sequence).
struct SequenceMark {
    let key: LedgerKey
    let sender: ID
    let stream: String
    let number: Int64

    /// `nil`: the content has none that counts.
    init?(of content: Content, in opened: Opened) {
        guard opened.isSealed, opened.isEncrypted, let seq = content.json["seq"],
            let stream = seq["s"]?.string, (1...32).contains(stream.utf8.count),
            stream.utf8.allSatisfy({ (0x21...0x7E).contains($0) }), let number = seq["n"]?.integer, number > 0
        else { return nil }
        key = .window(
            owner: opened.owner.address, sender: opened.sender.address, target: opened.envelope.target.address)
        sender = opened.sender
        self.stream = stream
        self.number = number
    }
}
