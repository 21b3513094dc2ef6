import DIMP
import Format
import Records

/// The numbers that our messages carry (extensions.md 3): a stream that is random for the installation, and a number
/// that rises for each sender, receiver and priority. A number is written down with the sealed row: what was not saved
/// has not left, and its number is given again after a power cut.
struct SequenceNumbers {
    /// The last number given, saved or not.
    private var given: [LedgerKey: Int64] = [:]

    /// Gives each of these contents of one priority for one receiver its number in the member `seq`, unless it has one.
    mutating func number(
        _ drafts: inout [Draft], from sender: ID, to receiver: ID, priority: Priority, isPoolIdle: Bool,
        in context: Context
    ) throws(LedgerError) {
        guard drafts.contains(where: { $0.content.json["seq"]?["n"] == nil }) else { return }
        var stream = try stream(of: sender, in: context)
        // A message that overtakes others would else leave a hole behind it for as long as they wait.
        if priority != .normal { stream += "-\(priority)" }
        let key = LedgerKey.sequence(from: sender.address, to: receiver.address, priority: priority)
        var last =
            if let last = given[key] { last } else {
                try context.ledger.value(key).flatMap { Int64($0) } ?? 0
            }
        for index in drafts.indices where drafts[index].content.json["seq"]?["n"] == nil {
            last += 1
            var sequence: JSONObject = ["s": .string(stream), "n": .integer(last)]
            // On disk since before it was sealed: a backup of then will seal it once more, as another ciphertext.
            if drafts[index].row.order > 0 { sequence["waited"] = true }
            sequence["receipt"] = drafts[index].content.json["seq"]?["receipt"]
            drafts[index].content.json["seq"] = .object(sequence)
        }
        // With an idle pool every number is on disk.
        if given.count >= Tuning.rememberedNumbers, isPoolIdle { given = [:] }
        given[key] = last
    }

    /// Saves the number of a content that is saved with it, the last of its message.
    static func save(
        _ content: Content, from sender: ID, to receiver: ID, priority: Priority, in context: Context
    ) throws(LedgerError) {
        guard let number = content.json["seq"]?["n"]?.integer else { return }
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
