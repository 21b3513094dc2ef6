import Agent
import Control
import Crypto
import DIMP
import Format
import Operations
import Records
import Store

/// Identities come, go, and get new keys.
extension Method {
    static let keys: [Method] = [
        .plain("identity.export", .admin, ["did"]) { daemon, request, turn in
            let identity = try daemon.operations.identity(try request.params.needText("did"))
            try turn.note(
                .identity, .warning, "the private keys of \(identity.id) were exported", did: identity.id.text)
            return daemon.operations.exported(identity)
        },
        .plain("identity.import", .admin, ["identity"]) { daemon, request, turn in
            let identity = try daemon.operations.imported(request.params.json("identity"))
            daemon.operations.take(identity)
            for change in FileOperations.forgetting(identity.id.address) { try turn.ledger.apply(change) }
            try turn.note(.identity, .info, "imported the identity \(identity.id)", did: identity.id.text)
            try turn.handle(.identitiesChanged)
            turn.after { daemon.dialBrokers() }
            return ["did": .string(identity.id.bare.text)]
        },
        .later("identity.rotate", .admin, ["did"]) { daemon, request, turn in try daemon.rotate(request, &turn) },
        .later("identity.remove", .admin, ["did"]) { daemon, request, turn in
            try daemon.removeIdentity(request, &turn)
        },
    ]
}

extension Daemon {
    /// The new key is made by the pool.
    fileprivate func rotate(_ request: Request, _ turn: inout Turn) throws {
        let identity = try operations.identity(try request.params.needText("did"))
        let time = turn.now.wall
        let call = request.call
        turn.after {
            self.pool.run(lane: "identity", { Result { () throws(CryptoError) in try identity.rotated(time: time) } }) {
                made in
                self.loop.add(.request(call) { call, turn in try self.keep(made, call, &turn) })
            }
        }
    }

    private func keep(_ made: Result<Identity, CryptoError>, _ call: Call, _ turn: inout Turn) throws {
        let identity: Identity
        do {
            identity = try made.get()
        } catch {
            throw Refusal(.inputOutput, "no-keys", "cannot make keys: \(error)")
        }
        guard let now = facebook.identity(identity.id.address), now.visa.time < identity.visa.time else {
            throw Refusal(.notNow, "changed", "\(identity.id) was changed meanwhile")
        }
        facebook.rotate(identity)
        loop.book.keys.forgetOwn(identity.id.address)
        try turn.note(.identity, .info, "\(identity.id) has a new key", did: identity.id.text, reason: "rotated")
        try turn.handle(.identitiesChanged)
        let result: JSON = ["did": .string(identity.id.bare.text), "time": .number(identity.visa.time)]
        turn.after { call.answer(result) }
    }

    // MARK: - Removing

    /// First it is written down that the identity is to go, then it goes: what a power cut leaves is done at the next
    /// start.
    fileprivate func removeIdentity(_ request: Request, _ turn: inout Turn) throws {
        let id = try operations.identity(try request.params.needText("did")).id
        try turn.ledger.apply(.value(key: FileOperations.goneKey(id.address), id.bare.text))
        let call = request.call
        turn.after { self.finishRemovals { call.answer(["did": .string(id.bare.text)]) } }
    }

    /// Files, messages and what brokers keep of identities that are to go, or were removed while no daemon ran.
    func finishRemovals(_ action: @escaping @MainActor () -> Void = {}) {
        loop.add(
            .duty { [weak self] turn in
                guard let self else { return }
                let gone = try self.store.values(prefix: FileOperations.gone)
                var isMore = false
                for (key, did) in gone {
                    isMore = try self.remove(did, key, &turn) || isMore
                }
                turn.after {
                    if isMore { return self.finishRemovals(action) }
                    if !gone.isEmpty, self.hasDialled { self.dialBrokers() }
                    action()
                }
            })
    }

    /// Whether something is left to do.
    private func remove(_ did: String, _ key: String, _ turn: inout Turn) throws -> Bool {
        guard let id = ID(did) else {
            try turn.ledger.apply(.value(key: key, nil))
            return false
        }
        if facebook.identity(id.address) != nil {
            facebook.remove(id)
            loop.book.keys.forgetOwn(id.address)
        }
        try turn.handle(.identitiesChanged)
        try turn.handle(.identityGone(id))
        guard try store.livingOutgoing(sender: did, limit: 1).isEmpty else { return true }
        try turn.note(.identity, .warning, "removed the identity \(id) and its keys", did: did, reason: "removed")
        for change in FileOperations.forgetting(id.address) { try turn.ledger.apply(change) }
        for broker in configuration.brokers {
            try turn.ledger.apply(.value(key: Messenger.clearKey(id.address, broker.name), did))
        }
        return false
    }
}
