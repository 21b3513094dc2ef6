import Control
import DIMP
import Format
import Records
import Store

/// A backup crosses the socket in pieces: the daemon opens no path that a client names (culver-protocol(7)).
///
///     backup.begin {final?}                 → {backup, time, version, identities, final, files: [{name, size, mode}], next?}
///     backup.list {backup, start}           → {files, next?}: where there are too many for one answer
///     backup.read {backup, name, offset}    → {data}: up to 256 KiB in Base64; none at the end
///     backup.end {backup, complete?}        → {retired}
///
/// `final`: our keys move. Brokers are left and nothing is accepted before the moment that is backed up, so that nothing
/// comes after it. `complete` says that all of it is on the client's disk: then the state directory is retired, before
/// the answer, and the client may call its file a backup only after that. Without it, or when the connection ends, the
/// board goes on as if nothing had been. So after a power cut at any point at most one of the two goes on, and what was
/// retired can be written out again.
@MainActor struct BackupMethods {
    let backups: Backups

    func begin(_ request: CheckedCall, in turn: inout Turn) throws {
        try backups.begin(request.call, isFinal: try request.params.flag("final"), in: &turn)
    }

    func list(_ request: CheckedCall) throws -> JSON {
        let start = try request.params.integer("start", in: 0...Int64.max) ?? 0
        return .object(Backups.listed(try current(of: request).items, from: Int(clamping: start)))
    }

    func read(_ request: CheckedCall, in turn: inout Turn) throws {
        let current = try current(of: request)
        let name = try request.params.needText("name")
        let offset = try request.params.integer("offset", in: 0...Int64.max) ?? 0
        guard current.names.contains(name), let backup = current.backup else {
            throw RPCError(exit: .noInput, reason: "unknown-file", message: "the backup has no file \(name)")
        }
        let call = request.call
        turn.after { backups.read(name, of: backup, at: offset, for: call) }
    }

    func end(_ request: CheckedCall, in turn: inout Turn) throws {
        let current = try current(of: request)
        let isComplete = try request.params.flag("complete")
        let call = request.call
        guard current.isFinal, isComplete else {
            if isComplete { try turn.note(.disk, level: .info, text: "a backup was taken", reason: "backup") }
            return turn.after { backups.end { call.answer(["retired": false]) } }
        }
        backups.retire(current, for: call, in: &turn)
    }

    /// The backup that the caller has begun.
    private func current(of request: CheckedCall) throws -> Backups.Current {
        let id = try request.params.needText("backup")
        guard let current = backups.readable(id, by: request.call.connection) else {
            throw RPCError(
                exit: .noInput, reason: "unknown-backup", message: "there is no backup \(id) of this connection")
        }
        return current
    }
}
