import DIMP
import Format
import Records

/// Contents of one sender that share a message (extensions.md 4): all of them are taken, or none. A board that sends
/// batches does so for peers that say in their visa how many they take; this is the other end.
///
///     {"type": 202, "sn", "time", "batch": true, "seal": {…}, "contents": [{"type", "sn", "time", "seq": {…}, …}, …]}
///
/// The outer content has the seal. Its own serial number and number in a stream mean nothing here.
struct Batch {
    /// As they are, in their order.
    let entries: [InboxEntry]
    /// The numbers of those that have one.
    let marks: [SequenceMark]

    /// Whether this content of a message is one. Without seal or encryption there is none: an array of somebody who does
    /// not know what a batch is has one receipt and is one message.
    static func contents(of opened: Opened) -> [JSON]? {
        opened.isSealed && opened.isEncrypted ? opened.content.batched : nil
    }

    /// Throws when one of the contents cannot be taken in a batch: the sender's fault, and then none of them is.
    /// `forgottenUntil`: as old contents may have come before, and this board would not know.
    init(
        _ contents: [JSON], in opened: Opened, forgottenUntil: Double?, in context: Context
    ) throws(Rejection) {
        // What the visa says, whatever else the owner allows in arrays: a sender seals a batch once.
        let limit = Abilities.ours.batch
        guard !contents.isEmpty else { throw Rejection(.content, "a batch without contents") }
        guard contents.count <= limit else { throw Rejection(.content, "a batch of more than \(limit)") }
        var entries: [InboxEntry] = []
        entries.reserveCapacity(contents.count)
        var marks: [SequenceMark] = []
        for json in contents {
            let content = try Content(json)
            guard content.mayShareMessage else {
                throw Rejection(.content, "a batch with a content that travels alone")
            }
            guard content.group?.bare == opened.content.group?.bare else {
                throw Rejection(.seal, "a batch with a content for another group")
            }
            if context.now.isClockSet { try content.checkTime(at: context.now.wall) }
            if let forgottenUntil, let time = content.usableTime, time <= forgottenUntil {
                throw Rejection(.time, "the content is older than what this board remembers")
            }
            entries.append(InboxEntry(content, in: opened))
            if let mark = SequenceMark(of: content, in: opened) { marks.append(mark) }
        }
        (self.entries, self.marks) = (entries, marks)
    }

    /// Those that were not taken before, each once: one that waited for a key may have come in another message.
    func unknown(to ledger: any Ledger, in opened: Opened) throws(LedgerError) -> [InboxEntry] {
        var digests: Set<[UInt8]> = []
        var unknown: [InboxEntry] = []
        for entry in entries {
            if let digest = entry.digest {
                guard digests.insert(digest).inserted else { continue }
                let record = try ledger.accepted(
                    owner: opened.owner.address, sender: opened.sender.address, contentDigest: digest)
                if record != nil { continue }
            }
            unknown.append(entry)
        }
        return unknown
    }
}
