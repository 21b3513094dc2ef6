import Agent
import DIMP
import Records
import Store

@testable import culverd

/// A messenger on real files, turned as `Loop` turns it: flat files, commit, answers, other effects. After each of these
/// steps the process may end.
final class CrashBoard {
    let directory: String
    private(set) var files: StateDirectory
    private(set) var store: MessageStore
    private(set) var book: Book
    private var messenger: Messenger

    init(_ directory: String, policy: Policy, time: Double) throws {
        self.directory = directory
        files = try StateDirectory(directory)
        store = try MessageStore(path: directory + "/" + Store.StatePath.messages)
        book = Book(facebook: try Facebook(files, time: time), keys: KeyStore(files))
        messenger = Messenger(
            book: book, ledger: store, policy: policy, random: { UInt64.random(in: 0...(.max)) })
    }

    /// One turn. `step` is called after everything that touches the disk or the outside, and ends the board by throwing.
    func turn(
        _ now: Moment, _ body: (inout Messenger) throws -> [Effect], step: () throws -> Void,
        perform: (Effect) throws -> Void
    ) throws {
        book.keys.lived = now.lived
        var next = messenger
        let effects = try body(&next)
        for change in book.takeChanges() {
            try files.perform(change)
            try step()
        }
        if store.hasChanges {
            try store.commit()
            try step()
        }
        messenger = next
        let answers = effects.filter { if case .answer = $0 { true } else { false } }
        let others = effects.filter { if case .answer = $0 { false } else { true } }
        for effect in answers + others {
            try perform(effect)
            try step()
        }
    }

    func nextTick(_ now: Moment) throws -> Double { try messenger.nextTick(after: now) }
}
