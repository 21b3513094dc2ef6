import Control
import DIMP
import Format
import Glibc
import Operations
import Records
import Store

/// A state directory without its daemon (culver(1), the verbs marked °). Holds the directory's lock, so it is
/// refused while a daemon runs there; new files belong to the directory's owner.
struct Files: Backend {
    private let directory: StateDirectory
    private let lock: DirectoryLock
    private let operations: FileOperations

    init(_ path: String) throws {
        (directory, lock) = try Files.opened(path)
        do {
            try directory.checkIsLive()
            if let exposed = try directory.exposedKeys().first {
                throw Failure(.configuration, "exposed-key", exposed.description, hint: exposed.cure)
            }
            operations = FileOperations(facebook: try Facebook(directory, time: Moment.now), time: Moment.now)
        } catch let error as FileError {
            throw Failure(error)
        } catch let error as Retired {
            throw Failure(.configuration, "retired", error.description)
        } catch let error as Unfinished {
            throw Failure(error)
        }
        for damage in directory.takeDamages() { Screen.complain("set aside: \(damage)") }
    }

    /// The directory with its lock.
    static func opened(_ path: String) throws -> (StateDirectory, DirectoryLock) {
        do throws(FileError) {
            let directory = try StateDirectory(path)
            return (directory, try lock(directory))
        } catch {
            throw Failure(error)
        }
    }

    /// Waits 2 s: the other side of `culver pack … | culver open` is soon done, a daemon is not.
    private static func lock(_ directory: StateDirectory) throws(FileError) -> DirectoryLock {
        for _ in 0..<40 {
            do throws(FileError) {
                return try directory.lock()
            } catch  where error.isHeld {
                usleep(50_000)
            } catch {
                throw error
            }
        }
        return try directory.lock()
    }

    func call(_ method: String, _ params: JSONObject) throws -> JSON {
        do {
            return try answer(method, params)
        } catch let refusal as Refusal {
            throw Failure(RPCError(refusal))
        } catch let error as FileError {
            throw Failure(error)
        }
    }

    private func answer(_ method: String, _ params: JSONObject) throws -> JSON {
        switch method {
        case "identity.create": return try create(params)
        case "identity.list": return operations.identities()
        case "identity.show": return operations.shown(try operations.identity(params["did"]?.string))
        case "identity.default":
            let identity = try operations.identity(params["did"]?.string)
            operations.facebook.makeDefault(identity.id)
            try save()
            return ["did": .string(identity.id.bare.text)]
        case "identity.export": return operations.exported(try operations.identity(params["did"]?.string))
        case "identity.import": return try take(params["identity"])
        case "identity.rotate": return try rotate(params)
        case "identity.remove": return try remove(params)
        case "message.pack": return ["message": try pack(params)]
        case "message.open": return operations.open(params["message"] ?? .null)
        default: throw RPCError.methodNotFound(method)
        }
    }

    private func create(_ params: JSONObject) throws -> JSON {
        let creation = try operations.plan(
            name: params["name"]?.string ?? "", type: params["type"]?.string, key: params["key"]?.string,
            bits: params["bits"]?.integer, era: params["era"]?.string, ensure: params["ensure"]?.bool ?? false)
        switch creation {
        case .there(let identity): return operations.created(identity, isNew: false)
        case .planned(let plan):
            let identity = try plan.identity()
            operations.facebook.put(identity)
            try save()
            return operations.created(identity, isNew: true)
        }
    }

    private func pack(_ params: JSONObject) throws -> JSON {
        let (type, members) = try FileOperations.content(text: params["text"]?.string, content: params["content"])
        return try operations.pack(
            from: operations.identity(params["from"]?.string), to: operations.id(params["to"]?.string ?? ""),
            type: type,
            members: members, sn: Int64.random(in: 1...0x7FFF_FFFF), attach: params["attach"]?.bool ?? false)
    }

    private func take(_ json: JSON?) throws -> JSON {
        let identity = try operations.imported(json)
        try remember(FileOperations.forgetting(identity.id.address))
        operations.take(identity)
        try save()
        return ["did": .string(identity.id.bare.text)]
    }

    private func rotate(_ params: JSONObject) throws -> JSON {
        let identity = try operations.identity(params["did"]?.string).rotated(time: operations.time)
        operations.facebook.rotate(identity)
        try forgetKeys(of: identity.id)
        try save()
        return ["did": .string(identity.id.bare.text), "time": .number(identity.visa.time)]
    }

    /// The daemon does the rest when it starts: messages, and what brokers keep.
    private func remove(_ params: JSONObject) throws -> JSON {
        let id = try operations.identity(params["did"]?.string).id
        try remember([.value(key: FileOperations.goneKey(id.address), id.bare.text)])
        operations.facebook.remove(id)
        try save()
        try forgetKeys(of: id)
        return ["did": .string(id.bare.text)]
    }

    /// In the messages, where there are any: where no daemon ever ran no broker knows anything.
    private func remember(_ changes: [Change]) throws {
        guard try directory.exists(Store.StatePath.messages) else { return }
        do throws(LedgerError) {
            let store = try MessageStore(path: "\(directory.path)/\(Store.StatePath.messages)")
            for change in changes { try store.apply(change) }
            try store.commit()
        } catch {
            throw Failure(error.isFull ? .notNow : .io, error.isFull ? "disk-full" : "io-error", error.description)
        }
    }

    private func forgetKeys(of id: ID) throws {
        let keys = KeyStore(directory)
        keys.forgetOwn(id.address)
        for change in keys.takeChanges() { try directory.perform(change) }
    }

    /// On disk before anything is printed.
    private func save() throws {
        for change in operations.facebook.takeChanges() { try directory.perform(change) }
    }
}

extension Failure {
    init(_ error: Unfinished) {
        self.init(.configuration, "unfinished-restore", error.description)
    }

    init(_ error: FileError) {
        if error.isHeld {
            self.init(
                .notNow, "locked", error.description, hint: "leave out --state to ask the daemon that runs there")
        } else {
            self.init(error.isFull ? .notNow : .io, error.isFull ? "disk-full" : "io-error", error.description)
        }
    }
}
