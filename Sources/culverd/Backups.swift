import Agent
import Control
import Crypto
import DIMP
import Dispatch
import Format
import Records
import Store
import System

/// What is being backed up now, and whether the board's keys are moving elsewhere by it. Steps: begin (and, for a final backup,
/// move out: brokers are left, what was begun comes to its end), copy, read in pieces, end or retire.
@MainActor final class Backups {
    /// One at a time, and of one connection: it goes when that does.
    struct Current {
        var id: String
        var connection: ConnectionID
        var isFinal: Bool
        /// Seconds since 1970.
        var time: Double
        var backup: Backup?
        /// The board's own at its moment; one that is made while it is copied is not in it.
        var identities: [String] = []
        /// What is in it, once it is whole.
        var items: [Backup.Item] = []
        var names: Set<String> = []
        var isEnding = false
        /// The mark that our keys have moved is being written: the backup does not end meanwhile.
        var isCompleting = false
    }

    private let loop: Loop
    private let pool: Pool
    private let brokers: Brokers
    private let subscriptions: Subscriptions
    private let socket: ServerSocket
    private var current: Current?
    /// From the wish of `--final` on; taken back when that backup is given up.
    private(set) var isRetiring = false
    /// The backup is complete, and no start goes on with this state directory.
    private(set) var retired: Retired?
    private var isStopping = false
    /// Not the pool: a large copy would keep one of its threads from the keys.
    private let queue = DispatchQueue(label: "culver.backup")

    private nonisolated static let piece = 256 << 10
    private static let page = 4096

    /// Methods that are answered all the same when the keys move: a change would not be in the backup.
    static let answered: Set = [
        "hello", "rpc.discover", "status", "metrics", "doctor", "backup.begin", "backup.list", "backup.read",
        "backup.end", "event.list", "identity.list", "identity.show", "contact.list", "contact.show", "message.show",
        "message.list", "inbox.list", "inbox.consumers",
    ]

    init(loop: Loop, pool: Pool, brokers: Brokers, subscriptions: Subscriptions, socket: ServerSocket) {
        self.loop = loop
        self.pool = pool
        self.brokers = brokers
        self.subscriptions = subscriptions
        self.socket = socket
    }

    /// The one that this connection has begun and that nothing ends yet.
    func readable(_ id: String, by connection: ConnectionID) -> Current? {
        guard let current, current.id == id, current.connection == connection, !current.isEnding,
            !current.isCompleting
        else { return nil }
        return current
    }

    func disconnected(_ connection: ConnectionID) {
        if current?.connection == connection { end() }
    }

    /// The daemon ends.
    func stop() {
        isStopping = true
        end()
    }

    // MARK: - Beginning

    func begin(_ call: Call, isFinal isWanted: Bool, in turn: inout Turn) throws {
        guard current == nil else {
            throw RPCError(
                exit: .notNow, reason: "backup-running", message: "another backup is being read", hint: "try again soon"
            )
        }
        // What has retired is written out under the number of its first time: there is one such backup.
        let id = try retired?.backup ?? Hex.encode(try Random.bytes(8))
        let time = retired?.time ?? (turn.now.isClockSet ? turn.now.wall : 0)
        let isFinal = isWanted || retired != nil
        current = Current(id: id, connection: call.connection, isFinal: isFinal, time: time)
        // When this turn is on disk nothing is open.
        turn.after { isFinal ? self.moveOut(id, for: call) : self.copy(id, for: call) }
    }

    /// Consumers and waiters are told, then what was begun comes to its end.
    private func moveOut(_ id: String, for call: Call) {
        isRetiring = true
        subscriptions.retire()
        loop.log(.info, "our identities are to move: the brokers are left")
        brokers.rest { [self] in settle { self.copy(id, for: call) } }
    }

    private func settle(_ action: @escaping @MainActor () -> Void) {
        guard !isStopping else { return }
        guard pool.load == 0 else {
            MainQueue.after(0.02) { self.settle(action) }
            return
        }
        loop.finish { [self] in pool.load == 0 ? action() : settle(action) }
    }

    /// Between two turns.
    private func copy(_ id: String, for call: Call) {
        guard let current, current.id == id, !current.isEnding else { return call.fail(.stopping) }
        let backup: Backup
        do {
            backup = try Backup(of: loop.directory)
        } catch {
            call.fail(RPCError(disk: error))
            return end()
        }
        self.current?.backup = backup
        self.current?.identities = loop.book.facebook.identities.map(\.id.bare.text)
        loop.isCopied = true
        queue.async {
            let copied = Result { try backup.copy() }
            DispatchQueue.main.async { MainActor.assumeIsolated { self.copied(copied, as: id, for: call) } }
        }
    }

    private func copied(_ copied: Result<[Backup.Item]?, any Error>, as id: String, for call: Call) {
        loop.isCopied = false
        guard let current, current.id == id, !current.isEnding else { return call.fail(.stopping) }
        switch copied {
        case .success(let items?):
            self.current?.items = items
            self.current?.names = Set(items.map(\.name))
            call.answer(described(items, of: current))
        case .success(nil): call.fail(.stopping)
        case .failure(let error):
            call.fail(RPCError(disk: error))
            end()
        }
    }

    private func described(_ items: [Backup.Item], of current: Current) -> JSON {
        var object = Self.listed(items, from: 0)
        object["backup"] = .string(current.id)
        object["time"] = .number(current.time)
        object["version"] = .string(Release.version)
        object["identities"] = .array(current.identities.map { .string($0) })
        object["final"] = .bool(current.isFinal)
        return .object(object)
    }

    // MARK: - Reading

    /// A page of the files.
    static func listed(_ items: [Backup.Item], from start: Int) -> JSONObject {
        let files = items.dropFirst(start).prefix(page).map { item -> JSON in
            ["name": .string(item.name), "size": .integer(item.size), "mode": .integer(Int64(item.mode))]
        }
        var object: JSONObject = ["files": .array(files)]
        if start + files.count < items.count { object["next"] = .integer(Int64(start + files.count)) }
        return object
    }

    func read(_ name: String, of backup: Backup, at offset: Int64, for call: Call) {
        queue.async {
            let answer = Result { Base64.encode(try backup.piece(of: name, at: offset, limit: Self.piece)) }
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

    // MARK: - End

    /// The state directory is retired once this turn is on disk, before the answer.
    func retire(_ finished: Current, for call: Call, in turn: inout Turn) {
        let retired = Retired(backup: finished.id, time: finished.time, identities: finished.identities)
        let directory = loop.directory
        current?.isCompleting = true
        turn.after {
            self.queue.async {
                let done = Result { try directory.retire(retired) }
                DispatchQueue.main.async { MainActor.assumeIsolated { self.retired(done, as: retired, for: call) } }
            }
        }
    }

    private func retired(_ done: Result<Void, any Error>, as retired: Retired, for call: Call) {
        current?.isCompleting = false
        switch done {
        case .success:
            self.retired = retired
            loop.log(
                .warning, "our identities have moved into the backup \(retired.backup): nothing is accepted any more")
            end { call.answer(["retired": true]) }
        case .failure(let error):
            call.fail(RPCError(disk: error))
            if !socket.isOpen(call.connection) { end() }
        }
    }

    /// The backup is not read any more. Unless the keys have moved by it the board goes on.
    func end(_ action: @escaping @MainActor () -> Void = {}) {
        guard let current, !current.isEnding, !current.isCompleting else { return }
        self.current?.isEnding = true
        current.backup?.cancel()
        let directory = loop.directory
        let isRetired = retired != nil
        queue.async {
            let removed = Result {
                try current.backup?.remove()
                // It may stand there although writing it has failed.
                if !isRetired { try directory.unretire() }
            }
            DispatchQueue.main.async {
                MainActor.assumeIsolated {
                    if case .failure(let error) = removed { self.loop.log(.error, "\(error)") }
                    self.current = nil
                    self.goOn()
                    action()
                }
            }
        }
    }

    private func goOn() {
        guard isRetiring, retired == nil, !isStopping else { return }
        isRetiring = false
        loop.log(.info, "our identities stay: the backup was not completed")
        brokers.resume()
    }
}

extension RPCError {
    /// They may stay, when the backup is not completed.
    static let retiring = RPCError(
        exit: .notNow, reason: "retiring", message: "the identities of this board move into a backup",
        hint: "nothing is accepted meanwhile; ask again when the backup has ended")

    static let retired = RPCError(
        exit: .configuration, reason: "retired", message: "the identities of this board have moved into a backup",
        hint: "nothing is accepted here any more: use the board where the backup is restored")
}
