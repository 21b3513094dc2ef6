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

    /// From this part on, in order.
    package func answers(to call: String, from part: Int64, limit: Int) throws(LedgerError) -> [CallAnswer] {
        try reading { () throws(LedgerError) in try tables.calls.answers(to: call, from: part, limit: limit) }
    }

    /// The one with the greatest number.
    package func lastAnswer(to call: String) throws(LedgerError) -> CallAnswer? {
        try reading { () throws(LedgerError) in try tables.calls.lastAnswer(to: call) }
    }

    package func lastAudit() throws(LedgerError) -> AuditLine? { try tables.calls.lastLine() }

    /// Writes what the audit's file has not; at once and synced, so on the store's queue after a commit. What cannot be
    /// written is tried with the next.
    package func write(to file: AuditFile) throws {
        guard tables.calls.hasNewLines, !hasChanges else { return }
        try file.append(tables.calls.lines(after: file.lastNumber()))
        tables.calls.linesAreWritten()
    }
}
