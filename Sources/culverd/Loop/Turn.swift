import Agent
import Records

/// What one request or input may do, and what follows from it once it is on disk.
struct Turn {
    let now: Moment
    let ledger: any Ledger
    var messenger: Messenger
    /// In order: answers to clients first, because they were first in each effect list, then the rest.
    var effects: [Effect] = []
    var afterwards: [@MainActor () -> Void] = []

    mutating func handle(_ input: Input) throws(LedgerError) {
        effects += try messenger.handle(input, at: now)
    }

    /// Writes an event.
    func note(
        _ kind: EventRecord.Kind, _ level: EventRecord.Level, _ text: String, did: String? = nil, broker: String? = nil,
        reason: String? = nil
    ) throws(LedgerError) {
        try ledger.apply(
            .event(
                EventRecord(
                    time: now.isClockSet ? now.wall : 0, kind: kind, level: level, did: did, broker: broker,
                    reason: reason, text: text)))
    }

    /// Done after the commit, in the order of asking.
    mutating func after(_ action: @escaping @MainActor () -> Void) {
        afterwards.append(action)
    }
}
