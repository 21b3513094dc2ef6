import Control
import Format
import Records
import Store
import System

/// The backup of a state directory without its daemon, retired ones too: the same methods as the daemon's.
final class BackupFiles: Backend {
    private let directory: StateDirectory
    private let lock: DirectoryLock
    private var backup: Backup?
    private var isFinal = false
    private var retired: Retired?

    private static let piece = 256 << 10

    init(_ path: String) throws {
        (directory, lock) = try FilesBackend.opened(path)
        if try directory.exists(StatePath.restoring) { throw ToolFailure(Unfinished(path: path)) }
        guard try !directory.list(StatePath.identities).isEmpty else {
            throw ToolFailure(.unknownName, "no-identity", "there is no identity in \(path)")
        }
    }

    deinit {
        try? backup?.remove()
    }

    func call(_ method: String, _ params: JSONObject) throws -> JSON {
        do {
            switch method {
            case "backup.begin": return try begin(params)
            case "backup.read":
                let piece = try backup?.piece(
                    of: params["name"]?.string ?? "", at: params["offset"]?.integer ?? 0,
                    limit: Self.piece)
                return ["data": .string(Base64.encode(piece ?? []))]
            case "backup.end":
                let isComplete = params["complete"]?.bool ?? false
                if isFinal, isComplete, let retired { try directory.retire(retired) }
                try backup?.remove()
                backup = nil
                return ["retired": .bool(isFinal && isComplete)]
            default: throw RPCError.methodNotFound(method)
            }
        } catch let error as FileError {
            throw ToolFailure(error)
        } catch let error as LedgerError {
            throw ToolFailure(error.isFull ? .notNow : .io, error.isFull ? "disk-full" : "io-error", error.description)
        }
    }

    /// One that was retired is written out under the number of its first time: there is one such backup.
    private func begin(_ params: JSONObject) throws -> JSON {
        let before = try directory.retirement()
        isFinal = params["final"]?.bool ?? false || before != nil
        let made = try Backup(of: directory)
        backup = made
        let items = try made.copy() ?? []
        for damage in directory.takeDamages() { Screen.complain(damage) }
        let facebook = try Facebook(directory, time: KernelClock.realtime.now)
        let identities = facebook.identities.map(\.id.bare.text)
        let id = try before?.backup ?? newID()
        let time = before?.time ?? KernelClock.realtime.now
        retired = Retired(backup: id, time: time, identities: identities)
        let files = items.map { item -> JSON in
            ["name": .string(item.name), "size": .integer(item.size), "mode": .integer(Int64(item.mode))]
        }
        return [
            "backup": .string(id), "time": .number(time), "version": .string(Release.version),
            "identities": .array(identities.map { .string($0) }), "files": .array(files), "final": .bool(isFinal),
        ]
    }

    private func newID() throws -> String {
        var generator = SystemRandomNumberGenerator()
        return Hex.encode((0..<8).map { _ in UInt8.random(in: 0...255, using: &generator) })
    }
}
