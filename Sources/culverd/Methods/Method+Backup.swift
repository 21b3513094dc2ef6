import Agent
import Control
import Crypto
import DIMP
import Dispatch
import Format
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
extension Method {
    static let backups: [Method] = [
        .later("backup.begin", .admin, ["final"]) { daemon, request, turn in try daemon.beginBackup(request, &turn) },
        .plain("backup.list", .admin, ["backup", "start"]) { daemon, request, _ in
            let start = try request.params.integer("start", 0...Int64.max) ?? 0
            return .object(daemon.listed(try daemon.ownBackup(request).items, from: Int(clamping: start)))
        },
        .later("backup.read", .admin, ["backup", "name", "offset"]) { daemon, request, turn in
            try daemon.readBackup(request, &turn)
        },
        .later("backup.end", .admin, ["backup", "complete"]) { daemon, request, turn in
            try daemon.endBackup(request, &turn)
        },
    ]

    fileprivate static let piece = 256 << 10
    fileprivate static let page = 4096
}

extension Daemon {
    fileprivate func beginBackup(_ request: Request, _ turn: inout Turn) throws {
        let isWanted = try request.params.flag("final")
        guard backups.current == nil else {
            throw RPCError(
                exit: .notNow, reason: "backup-running", message: "another backup is being read", hint: "try again soon"
            )
        }
        let call = request.call
        // What has retired is written out under the number of its first time: there is one such backup.
        let retired = backups.retired
        let id = try retired?.backup ?? Hex.encode(try Random.bytes(8))
        let time = retired?.time ?? (turn.now.isClockSet ? turn.now.wall : 0)
        let isFinal = isWanted || retired != nil
        backups.current = Backups.Current(id: id, connection: call.connection, isFinal: isFinal, time: time)
        // When this turn is on disk nothing is open.
        turn.after { isFinal ? self.moveOut(id, call) : self.takeBackup(id, call) }
    }

    /// Everybody is told, then what was begun comes to its end.
    private func moveOut(_ id: String, _ call: Call) {
        backups.isRetiring = true
        consumers.closeAll(reason: "retired")
        for waiter in waiters { finish(waiter, .retiring) }
        log(.info, "our identities are to move: the brokers are left")
        brokers.rest { [self] in settle { self.takeBackup(id, call) } }
    }

    private func settle(_ action: @escaping @MainActor () -> Void) {
        guard !isStopping else { return }
        guard pool.load == 0 else {
            DispatchQueue.main.asyncAfter(deadline: .now() + 0.02) { MainActor.assumeIsolated { self.settle(action) } }
            return
        }
        loop.finish { [self] in pool.load == 0 ? action() : settle(action) }
    }

    /// Between two turns.
    private func takeBackup(_ id: String, _ call: Call) {
        guard let current = backups.current, current.id == id, !current.isEnding else { return call.fail(.stopping) }
        let backup: Backup
        do {
            backup = try Backup(of: loop.directory)
        } catch {
            call.fail(RPCError(disk: error))
            return endBackup()
        }
        backups.current?.backup = backup
        backups.current?.identities = ownIDs
        loop.isCopied = true
        backups.queue.async {
            let copied = Result { try backup.copy() }
            DispatchQueue.main.async { MainActor.assumeIsolated { self.copied(copied, id, call) } }
        }
    }

    private func copied(_ copied: Result<[Backup.Item]?, any Error>, _ id: String, _ call: Call) {
        loop.isCopied = false
        guard let current = backups.current, current.id == id, !current.isEnding else { return call.fail(.stopping) }
        switch copied {
        case .success(let items?):
            backups.current?.items = items
            backups.current?.names = Set(items.map(\.name))
            call.answer(described(items, current))
        case .success(nil): call.fail(.stopping)
        case .failure(let error):
            call.fail(RPCError(disk: error))
            endBackup()
        }
    }

    private func described(_ items: [Backup.Item], _ current: Backups.Current) -> JSON {
        var object = listed(items, from: 0)
        object["backup"] = .string(current.id)
        object["time"] = .number(current.time)
        object["version"] = .string(Version.text)
        object["identities"] = .array(current.identities.map { .string($0) })
        object["final"] = .bool(current.isFinal)
        return .object(object)
    }

    fileprivate func listed(_ items: [Backup.Item], from start: Int) -> JSONObject {
        let files = items.dropFirst(start).prefix(Method.page).map { item -> JSON in
            ["name": .string(item.name), "size": .integer(Int64(item.size)), "mode": .integer(Int64(item.mode))]
        }
        var object: JSONObject = ["files": .array(files)]
        if start + files.count < items.count { object["next"] = .integer(Int64(start + files.count)) }
        return object
    }

    private var ownIDs: [String] { facebook.identities.map(\.id.bare.text) }

    /// The backup that the caller has begun.
    fileprivate func ownBackup(_ request: Request) throws -> Backups.Current {
        let id = try request.params.needText("backup")
        guard let current = backups.current, current.id == id, current.connection == request.call.connection,
            !current.isEnding, !current.isCompleting
        else {
            throw RPCError(
                exit: .noInput, reason: "unknown-backup", message: "there is no backup \(id) of this connection")
        }
        return current
    }

    fileprivate func readBackup(_ request: Request, _ turn: inout Turn) throws {
        let current = try ownBackup(request)
        let name = try request.params.needText("name")
        let offset = try request.params.integer("offset", 0...Int64.max) ?? 0
        guard current.names.contains(name), let backup = current.backup else {
            throw RPCError(exit: .noInput, reason: "unknown-file", message: "the backup has no file \(name)")
        }
        let call = request.call
        turn.after {
            self.backups.queue.async {
                let answer = Result {
                    Base64.encode(try backup.piece(of: name, at: Int(clamping: offset), limit: Method.piece))
                }
                DispatchQueue.main.async {
                    MainActor.assumeIsolated {
                        switch answer {
                        case .success(let text): call.answer(["data": .string(text)])
                        case .failure(let error): call.fail(RPCError(disk: error))
                        }
                    }
                }
            }
        }
    }

    fileprivate func endBackup(_ request: Request, _ turn: inout Turn) throws {
        let current = try ownBackup(request)
        let isComplete = try request.params.flag("complete")
        let call = request.call
        guard current.isFinal, isComplete else {
            if isComplete { try turn.note(.disk, .info, "a backup was taken", reason: "backup") }
            return turn.after { self.endBackup { call.answer(["retired": false]) } }
        }
        let retired = Retired(backup: current.id, time: current.time, identities: current.identities)
        let directory = loop.directory
        backups.current?.isCompleting = true
        turn.after {
            self.backups.queue.async {
                let done = Result { try directory.retire(retired) }
                DispatchQueue.main.async { MainActor.assumeIsolated { self.retired(done, as: retired, call) } }
            }
        }
    }

    private func retired(_ done: Result<Void, any Error>, as retired: Retired, _ call: Call) {
        backups.current?.isCompleting = false
        switch done {
        case .success:
            backups.retired = retired
            log(.warning, "our identities have moved into the backup \(retired.backup): nothing is accepted any more")
            endBackup { call.answer(["retired": true]) }
        case .failure(let error):
            call.fail(RPCError(disk: error))
            if server?.isOpen(call.connection) != true { endBackup() }
        }
    }

    /// Nobody reads it any more. Unless our keys have moved by it we go on.
    func endBackup(_ action: @escaping @MainActor () -> Void = {}) {
        guard let current = backups.current, !current.isEnding, !current.isCompleting else { return }
        backups.current?.isEnding = true
        current.backup?.cancel()
        let directory = loop.directory
        let isRetired = backups.retired != nil
        backups.queue.async {
            let removed = Result {
                try current.backup?.remove()
                // It may stand there although writing it has failed.
                if !isRetired { try directory.unretire() }
            }
            DispatchQueue.main.async {
                MainActor.assumeIsolated {
                    if case .failure(let error) = removed { self.log(.error, "\(error)") }
                    self.backups.current = nil
                    self.goOnAfterBackup()
                    action()
                }
            }
        }
    }

    private func goOnAfterBackup() {
        guard backups.isRetiring, backups.retired == nil, !isStopping else { return }
        backups.isRetiring = false
        log(.info, "our identities stay: the backup was not completed")
        brokers.resume()
    }
}
