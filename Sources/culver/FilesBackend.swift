import Control
import DIMP
import Format
import Glibc
import Operations
import Records
import Store
import System

/// A state directory without its daemon (culver(1), the verbs marked °). Holds the directory's lock, so it is
/// refused while a daemon runs there; new files belong to the directory's owner.
struct FilesBackend: Backend {
    private let directory: StateDirectory
    private let lock: DirectoryLock
    private let facebook: Facebook
    private let names: NameLookup
    private let identities: IdentityOperations
    private let messages: MessageOperations

    init(_ path: String) throws {
        (directory, lock) = try FilesBackend.opened(path)
        do {
            try directory.checkIsLive()
            if let exposed = try directory.exposedKeys().first {
                throw ToolFailure(.configuration, "exposed-key", exposed.description, hint: exposed.cure)
            }
            facebook = try Facebook(directory, time: KernelClock.realtime.now)
        } catch let error as FileError {
            throw ToolFailure(error)
        } catch let error as Retired {
            throw ToolFailure(.configuration, "retired", error.description)
        } catch let error as Unfinished {
            throw ToolFailure(error)
        }
        names = NameLookup(facebook: facebook)
        identities = IdentityOperations(facebook: facebook, time: KernelClock.realtime.now)
        messages = MessageOperations(facebook: facebook, time: KernelClock.realtime.now)
        for damage in directory.takeDamages() { Screen.complain("set aside: \(damage)") }
    }

    /// The directory with its lock.
    static func opened(_ path: String) throws -> (StateDirectory, DirectoryLock) {
        do throws(FileError) {
            let directory = try StateDirectory(path)
            return (directory, try lock(directory))
        } catch {
            throw ToolFailure(error)
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
            let answer = try answer(method, Params(params))
            if let fault = facebook.takeFault() { throw fault }
            return answer
        } catch let refusal as Refusal {
            throw ToolFailure(RPCError(refusal))
        } catch let error as FileError {
            throw ToolFailure(error)
        }
    }

    private func answer(_ method: String, _ params: Params) throws -> JSON {
        switch method {
        case "identity.create": try carriedOut(identities.create(params))
        case "identity.list": identities.list()
        case "identity.show": try identities.show(params)
        case "identity.default": try finished(identities.makeDefault(params))
        case "identity.export": try finished(identities.export(params))
        case "identity.import": try finished(identities.takeOver(params))
        case "identity.rotate": try carriedOut(identities.rotate(params))
        case "identity.remove": try finished(identities.beginRemoval(params))
        case "message.pack": try messages.pack(params, from: names.identity(params.text("from"))).packed()
        case "message.open":
            switch try messages.open(params) {
            case .work(let work): work.opened()
            case .refused(let answer): answer
            }
        default: throw RPCError.methodNotFound(method)
        }
    }

    private func carriedOut(_ step: IdentityStep) throws -> JSON {
        switch step {
        case .done(let result): try finished(result)
        case .keys(let work): try finished(identities.keep(work.made(), by: work))
        }
    }

    /// On disk before anything is printed.
    private func finished(_ result: IdentityResult) throws -> JSON {
        try remember(result.values)
        switch result.kind {
        case .rotated: try forgetKeys(of: result.id)
        // The daemon does the rest when it starts: messages, and what brokers keep.
        case .removalBegun: identities.remove(result.id)
        case .found, .made, .becameDefault, .exported, .imported: break
        }
        for change in facebook.takeChanges() { try directory.perform(change) }
        if result.kind == .removalBegun { try forgetKeys(of: result.id) }
        return result.answer
    }

    /// Where there is no database nothing is to be remembered: no daemon ever ran, and no broker knows anything.
    private func remember(_ changes: [Change]) throws {
        guard !changes.isEmpty, try directory.exists(StatePath.messages) else { return }
        do throws(LedgerError) {
            let store = try MessageStore(path: "\(directory.path)/\(StatePath.messages)")
            for change in changes { try store.apply(change) }
            try store.commit()
        } catch {
            throw ToolFailure(error.isFull ? .notNow : .io, error.isFull ? "disk-full" : "io-error", error.description)
        }
    }

    private func forgetKeys(of id: ID) throws {
        let keys = KeyStore(directory)
        keys.forgetOwn(id.address)
        for change in keys.takeChanges() { try directory.perform(change) }
    }
}

extension ToolFailure {
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
