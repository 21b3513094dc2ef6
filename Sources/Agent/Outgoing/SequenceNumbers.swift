import DIMP
import Records

/// The numbers that our messages carry (extensions.md 3): a stream that is random for the installation, and a number
/// that rises for each sender, receiver and priority. A number is written down with the sealed row: what was not saved
/// has not left, and its number is given again after a power cut.
struct SequenceNumbers {
    /// The last number given, saved or not.
    private var given: [LedgerKey: Int64] = [:]

    /// Gives each of these messages of one priority for one receiver its number, unless it has one. Returns their stream.
    mutating func number(
        _ drafts: inout [Draft], from sender: ID, to receiver: ID, priority: Priority, isPoolIdle: Bool,
        in context: Context
    ) throws(LedgerError) -> String {
        var stream = try stream(of: sender, in: context)
        // A message that overtakes others would else leave a hole behind it for as long as they wait.
        if priority != .normal { stream += "-\(priority)" }
        guard drafts.contains(where: { $0.number == nil }) else { return stream }
        let key = LedgerKey.sequence(from: sender.address, to: receiver.address, priority: priority)
        var last =
            if let last = given[key] { last } else {
                try context.ledger.value(key).flatMap { Int64($0) } ?? 0
            }
        for index in drafts.indices where drafts[index].number == nil {
            last += 1
            drafts[index] = drafts[index].numbered(last)
        }
        // With an idle pool every number is on disk.
        if given.count >= Tuning.rememberedNumbers, isPoolIdle { given = [:] }
        given[key] = last
        return stream
    }

    /// Saves the number of a message that is saved with it, the last of its shipment.
    static func save(
        _ number: Int64?, from sender: ID, to receiver: ID, priority: Priority, in context: Context
    ) throws(LedgerError) {
        guard let number else { return }
        try context.ledger.apply(
            .value(.sequence(from: sender.address, to: receiver.address, priority: priority), String(number)))
    }

    /// What was given and not saved is given again. Only while the pool seals nothing.
    mutating func forgetUnsaved() {
        given = [:]
    }

    private func stream(of sender: ID, in context: Context) throws(LedgerError) -> String {
        let key = LedgerKey.stream(sender.address)
        if let stream = try context.ledger.value(key) { return stream }
        let stream = context.newID()
        try context.ledger.apply(.value(key, stream))
        return stream
    }
}
