import Control
import DIMP
import Format
import Operations
import Records

extension Method {
    static let identities: [Method] = [
        .later("identity.create", .admin, ["name", "type", "key", "bits", "era", "ensure"]) { daemon, request, turn in
            try daemon.createIdentity(request, &turn)
        },
        .plain("identity.list", .reader) { daemon, _, _ in daemon.operations.identities() },
        .plain("identity.show", .reader, ["did"]) { daemon, request, _ in
            let operations = daemon.operations
            return operations.shown(try operations.identity(try request.params.text("did")))
        },
        .plain("identity.default", .admin, ["did"]) { daemon, request, turn in
            let identity = try daemon.operations.identity(try request.params.needText("did"))
            daemon.facebook.makeDefault(identity.id)
            turn.after { daemon.dialBrokers() }
            try turn.note(.identity, .info, "the default identity is \(identity.id)", did: identity.id.text)
            return ["did": .string(identity.id.bare.text)]
        },
    ]
}

extension Daemon {
    /// Keys are made by the pool; the answer comes when the files are on disk.
    fileprivate func createIdentity(_ request: Request, _ turn: inout Turn) throws {
        let params = request.params
        let creation = try operations.plan(
            name: try params.needText("name"), type: try params.text("type"), key: try params.text("key"),
            bits: try params.integer("bits", 0...65_536), era: try params.text("era"),
            ensure: try params.flag("ensure"))
        let call = request.call
        let isEnsured = try params.flag("ensure")
        switch creation {
        case .there(let identity):
            let result = operations.created(identity, isNew: false)
            turn.after { call.answer(result) }
        case .planned(let plan):
            turn.after {
                self.pool.run(lane: "identity", { Result { () throws(Refusal) in try plan.identity() } }) { made in
                    self.loop.add(
                        .request(call) { call, turn in
                            try self.keep(try made.get(), isEnsured: isEnsured, call, &turn)
                        })
                }
            }
        }
    }

    private func keep(_ identity: Identity, isEnsured: Bool, _ call: Call, _ turn: inout Turn) throws {
        // Two calls may have asked for the same name at once.
        if let there = facebook.identities.first(where: { $0.id.name == identity.id.name }) {
            guard isEnsured else {
                throw Refusal(.exists, "identity-exists", "there is an identity of that name: \(there.id)")
            }
            let result = operations.created(there, isNew: false)
            return turn.after { call.answer(result) }
        }
        facebook.put(identity)
        try turn.note(.identity, .info, "made the identity \(identity.id)", did: identity.id.text)
        try turn.handle(.identitiesChanged)
        let result = operations.created(identity, isNew: true)
        turn.after {
            call.answer(result)
            self.dialBrokers()
        }
    }
}
