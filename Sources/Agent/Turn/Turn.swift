package import DIMP
package import Records

/// What one work item may do, and what follows from it once it is on disk. It works on a copy of the messenger, which
/// counts when the turn is committed and is forgotten when it fails.
package struct Turn<Action> {
    package let now: Moment
    package let ledger: any Ledger
    package var messenger: Messenger
    var consequences = Consequences<Action>()

    package mutating func handle(_ input: Input) throws(LedgerError) {
        consequences.add(try messenger.handle(input, at: now))
    }

    /// Writes an event.
    package func note(
        _ kind: EventRecord.Kind, level: EventRecord.Level, text: String, did: ID? = nil, broker: String? = nil,
        reason: String? = nil
    ) throws(LedgerError) {
        try ledger.apply(
            .event(
                EventRecord(
                    time: now.isClockSet ? now.wall : 0, kind: kind, level: level, did: did, broker: broker,
                    reason: reason, text: text)))
    }

    /// Done after the commit, in the order of asking and before any answer.
    package mutating func after(_ action: Action) {
        consequences.actions.append(action)
    }
}
