import Control
import Desk
import Format
import Glibc
import Records
import Store

/// The files of a state directory without a daemon: refused while one holds the directory's lock.
final class Files: Backend {
    private let directory: StateDirectory
    private let facebook: Facebook
    private let time: Double
    /// Held as long as we work.
    private let lock: DirectoryLock

    init(state: String) throws {
        time = Double(Glibc.time(nil))
        do throws(FileError) {
            directory = try StateDirectory(state)
            lock = try directory.lock()
            if let exposed = try directory.exposedKeys().first {
                throw FileError(exposed.description)
            }
            facebook = try Facebook(directory, time: time)
        } catch {
            throw Files.failure(error)
        }
        for damage in directory.takeDamages() { Screen.complain(damage) }
    }

    func call(_ method: String, _ params: JSONObject) throws -> JSON {
        do throws(Refusal) {
            let result = try answer(method, params)
            try write()
            return result
        } catch {
            throw RPCError(error)
        }
    }

    private func answer(_ method: String, _ params: JSONObject) throws(Refusal) -> JSON {
        let desk = Desk(facebook: facebook, time: time)
        switch method {
        case "identity.create": return try create(desk, params)
        case "identity.list": return desk.identities()
        case "identity.show": return desk.shown(try desk.identity(params["did"]?.string))
        case "identity.default":
            let identity = try desk.identity(params["did"]?.string)
            facebook.makeDefault(identity.id)
            return ["did": .string(identity.id.bare.text)]
        case "message.pack": return ["message": try pack(desk, params)]
        case "message.open": return desk.open(params["message"] ?? .null)
        default: throw Refusal(.badData, "needs-daemon", "\(method) needs a running daemon")
        }
    }

    private func create(_ desk: Desk, _ params: JSONObject) throws(Refusal) -> JSON {
        let creation = try desk.plan(
            name: params["name"]?.string ?? "", type: params["type"]?.string, key: params["key"]?.string,
            bits: params["bits"]?.integer, era: params["era"]?.string, ensure: params["ensure"]?.bool ?? false)
        switch creation {
        case .there(let identity): return desk.created(identity, isNew: false)
        case .planned(let plan):
            let identity = try plan.identity()
            facebook.put(identity)
            return desk.created(identity, isNew: true)
        }
    }

    private func pack(_ desk: Desk, _ params: JSONObject) throws(Refusal) -> JSON {
        let identity = try desk.identity(params["from"]?.string)
        let receiver = try desk.id(params["to"]?.string ?? "")
        let (type, members) = try Desk.content(text: params["text"]?.string, content: params["content"])
        return try desk.pack(
            from: identity, to: receiver, type: type, members: members, sn: Int64.random(in: 1...0x7FFF_FFFF),
            attach: params["attach"]?.bool ?? false)
    }

    /// On disk and synced before anything is printed.
    private func write() throws(Refusal) {
        do throws(FileError) {
            for change in facebook.takeChanges() { try directory.perform(change) }
        } catch {
            throw Refusal(error.isFull ? .notNow : .inputOutput, "cannot-write", error.description)
        }
    }

    private static func failure(_ error: FileError) -> Failure {
        if error.isHeld {
            return Failure(.notNow, "locked", error.description, hint: "a daemon works on it; leave out --state")
        }
        return Failure(.io, "io-error", error.description)
    }
}
