package import DIMP
package import Records

extension MessageStore: CallLedger {
    package func servedCall(_ key: ServedCall.Name) throws(LedgerError) -> ServedCall? { try tables.calls.row(key) }

    package var servedCalls: Int64 { tables.calls.size.count }

    package func answeredCalls(deadlineAfter time: Double) throws(LedgerError) -> [ServedCall] {
        try tables.calls.answered(deadlineAfter: time)
    }

    package func begunCalls() throws(LedgerError) -> [ServedCall] {
        try reading { () throws(LedgerError) in try tables.calls.begun() }
    }

    package func calling(_ call: String) throws(LedgerError) -> Calling? { try tables.calls.calling(call) }

    package func servedCalls(of caller: ID) throws(LedgerError) -> Int64 { try tables.calls.count(of: caller) }

    package func hasRoom(for answer: CallAnswer, isFinal: Bool) throws(LedgerError) -> Bool {
        try tables.calls.hasRoom(for: answer, isFinal: isFinal)
    }

    /// Who has answered, sorted.
    package func answerers(of call: String) throws(LedgerError) -> [ID] {
        try reading { () throws(LedgerError) in try tables.calls.answerers(of: call) }
    }

    /// The first of one board from this part on.
    package func answer(to call: String, of sender: ID, from part: Int64) throws(LedgerError) -> CallAnswer? {
        try reading { () throws(LedgerError) in try tables.calls.answer(to: call, of: sender, from: part) }
    }

    /// The one of a board with the greatest number.
    package func lastAnswer(to call: String, of sender: ID) throws(LedgerError) -> CallAnswer? {
        try reading { () throws(LedgerError) in try tables.calls.lastAnswer(to: call, of: sender) }
    }

    package func lastAudit() throws(LedgerError) -> AuditLine? { try tables.calls.lastLine() }

    /// Writes what the audit's file has not; at once and synced, so on the store's queue after a commit. What cannot be
    /// written is tried with the next. A file that goes on from other lines than these is moved aside: says whether it was.
    package func write(to file: AuditFile) throws -> Bool {
        guard tables.calls.hasNewLines, !hasChanges else { return false }
        var last = try file.lastLine()
        let isForeign = try last.map { try !knows($0) } ?? false
        if isForeign {
            try file.moveAside()
            try setFront([])
            last = nil
        }
        let lines = try tables.calls.lines(after: last?.number ?? 0)
        try keepFront(of: file, next: lines.first)
        try file.append(lines)
        tables.calls.linesAreWritten()
        return isForeign
    }

    /// A line that is too old to be kept here may be any.
    private func knows(_ line: AuditLine) throws(LedgerError) -> Bool {
        guard let newest = try tables.calls.lastLine(), line.number <= newest.number else { return false }
        return try tables.calls.line(line.number).map { $0.hash == line.hash } ?? true
    }

    /// Where the files begin is written down before they do, so that a front that is cut off later shows.
    private func keepFront(of file: AuditFile, next: AuditLine?) throws {
        let known = try front()
        if next != nil, file.isLong, let first = file.firstLine() {
            try setFront([file.oldestLine(), first].compactMap { $0 })
            try file.turnOver()
            try setFront([first])
        } else if known.isEmpty, let first = file.oldestLine() ?? next {
            try setFront([first])
        } else if known.count > 1, let first = file.oldestLine(), known[first.number] == first.hash {
            try setFront([first])
        }
    }

    private func front() throws(LedgerError) -> [Int64: String] {
        let words = try value(.auditFront)?.split(separator: " ").map(String.init) ?? []
        var front: [Int64: String] = [:]
        for index in stride(from: 0, to: words.count - 1, by: 2) {
            if let number = Int64(words[index]) { front[number] = words[index + 1] }
        }
        return front
    }

    private func setFront(_ lines: [AuditLine]) throws(LedgerError) {
        let text = lines.map { "\($0.number) \($0.hash)" }.joined(separator: " ")
        try apply(.value(.auditFront, lines.isEmpty ? nil : text))
        try commit()
    }

    /// What is known of the audit's files in this directory. For a turn: nobody writes to them then.
    package func auditMarks(in directory: String) throws(LedgerError) -> AuditMarks {
        AuditMarks(
            newest: try lastAudit(), front: try front(), end: AuditFile.lastNumber(in: directory))
    }
}
