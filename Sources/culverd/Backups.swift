import Control
import Dispatch
import Store

/// What is being backed up now, and whether our keys are moving elsewhere by it.
struct Backups {
    /// One at a time, and of one connection: it goes when that does.
    struct Current {
        var id: String
        var connection: ConnectionID
        var isFinal: Bool
        /// Seconds since 1970.
        var time: Double
        var backup: Backup?
        /// Ours at its moment; one that is made while it is copied is not in it.
        var identities: [String] = []
        /// What is in it, once it is whole.
        var items: [Backup.Item] = []
        var names: Set<String> = []
        var isEnding = false
        /// The mark that our keys have moved is being written: nobody ends it meanwhile.
        var isCompleting = false
    }

    var current: Current?
    /// From the wish of `--final` on; taken back when that backup is given up.
    var isRetiring = false
    /// The backup is complete, and no start goes on with this state directory.
    var retired: Retired?
    /// Not the pool: a large copy would keep one of its threads from the keys.
    let queue = DispatchQueue(label: "culver.backup")

    /// What is answered all the same when our keys move: whatever changes something would not be in the backup.
    static let answered: Set = [
        "hello", "rpc.discover", "status", "metrics", "doctor", "backup.begin", "backup.list", "backup.read",
        "backup.end", "event.list", "identity.list", "identity.show", "contact.list", "contact.show", "message.show",
        "message.list", "inbox.list", "inbox.consumers",
    ]
}

extension RPCError {
    static let retiring = RPCError(
        exit: .notNow, reason: "retired", message: "the identities of this board move, or have moved, into a backup",
        hint: "nothing is accepted here any more: use the board where the backup is restored")
}
