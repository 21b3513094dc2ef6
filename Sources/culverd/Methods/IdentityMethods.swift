import Agent
import Control
import DIMP
import Format
import Operations
import Records
import Store

/// `identity.*`: what `Operations` decides is written down in a turn, and everybody who depends on it hears of it.
@MainActor struct IdentityMethods {
    let loop: Loop
    let pool: Pool
    let presence: BrokerPresence
    let removals: IdentityRemovals

    private var operations: IdentityOperations { loop.identityOperations }

    func list() -> JSON { operations.list() }
    func show(_ request: CheckedCall) throws -> JSON { try operations.show(request.params) }

    func create(_ request: CheckedCall, in turn: inout Turn) throws {
        try carryOut(operations.create(request.params), for: request.call, in: &turn)
    }

    func makeDefault(_ request: CheckedCall, in turn: inout Turn) throws {
        try finish(operations.makeDefault(request.params), for: request.call, in: &turn)
    }

    func export(_ request: CheckedCall, in turn: inout Turn) throws {
        try finish(operations.export(request.params), for: request.call, in: &turn)
    }

    func takeOver(_ request: CheckedCall, in turn: inout Turn) throws {
        try finish(operations.takeOver(request.params), for: request.call, in: &turn)
    }

    func rotate(_ request: CheckedCall, in turn: inout Turn) throws {
        try carryOut(operations.rotate(request.params), for: request.call, in: &turn)
    }

    func remove(_ request: CheckedCall, in turn: inout Turn) throws {
        try finish(operations.beginRemoval(request.params), for: request.call, in: &turn)
    }

    /// Keys are made by the pool; the answer comes when the files are on disk.
    private func carryOut(_ step: IdentityStep, for call: Call, in turn: inout Turn) throws {
        switch step {
        case .done(let result): try finish(result, for: call, in: &turn)
        case .keys(let work):
            turn.after {
                pool.run(lane: "identity", { Result { () throws(Refusal) in try work.made() } }) { made in
                    loop.add(
                        .request(call) { call, turn in
                            let result = try operations.keep(try made.get(), by: work)
                            try finish(result, for: call, in: &turn)
                        })
                }
            }
        }
    }

    /// Writes down what was done in this turn, and lets everybody know.
    private func finish(_ result: IdentityResult, for call: Call, in turn: inout Turn) throws {
        let id = result.id
        for change in result.values { try turn.ledger.apply(change) }
        var dials = false
        switch result.kind {
        case .found: break
        case .made:
            try turn.note(.identity, level: .info, text: "made the identity \(id)", did: id)
            try turn.handle(.identitiesChanged)
            dials = true
        case .becameDefault:
            try turn.note(.identity, level: .info, text: "the default identity is \(id)", did: id)
            dials = true
        case .exported:
            try turn.note(.identity, level: .warning, text: "the private keys of \(id) were exported", did: id)
        case .imported:
            try turn.note(.identity, level: .info, text: "imported the identity \(id)", did: id)
            try turn.handle(.identitiesChanged)
            dials = true
        case .rotated:
            loop.book.keys.forgetOwn(id.address)
            try turn.note(.identity, level: .info, text: "\(id) has a new key", did: id, reason: "rotated")
            try turn.handle(.identitiesChanged)
        case .removalBegun: return turn.after { removals.finish { call.answer(result.answer) } }
        }
        turn.after {
            call.answer(result.answer)
            if dials { presence.dial() }
        }
    }
}
