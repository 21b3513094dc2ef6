import Crypto
import DIMP
import Operations
import Records
import Store

/// The identity that a new board makes for itself, by the template of `[identity] name`.
@MainActor final class FirstIdentity {
    /// Its keys are on their way: a caller that wants to send may try again soon.
    private(set) var isMaking = false

    private let loop: Loop
    private let pool: Pool
    private let running: RunningConfiguration
    private let presence: BrokerPresence

    init(loop: Loop, pool: Pool, running: RunningConfiguration, presence: BrokerPresence) {
        self.loop = loop
        self.pool = pool
        self.running = running
        self.presence = presence
    }

    /// Brokers are dialled when it is there, because will, presence and user name need it. False when none is made.
    func make() -> Bool {
        guard loop.book.facebook.identities.isEmpty, let template = running.configuration.identity.name else {
            return false
        }
        let name = Host.label(filling: template)
        guard case .keys(let work)? = try? loop.identityOperations.create(named: name, isEnsured: true) else {
            loop.log(.error, "\(name) cannot be the name of an identity")
            return false
        }
        isMaking = true
        pool.run(lane: "identity", { Result { () throws(Refusal) in try work.made() } }) { [weak self] result in
            guard let self else { return }
            switch result {
            case .success(let identity): self.loop.add(.duty { try self.keep(identity, in: &$0) })
            case .failure(let refusal):
                self.isMaking = false
                self.loop.log(.error, refusal.text)
                self.presence.dial()
            }
        }
        return true
    }

    private func keep(_ identity: Identity, in turn: inout Turn) throws {
        isMaking = false
        let facebook = loop.book.facebook
        guard facebook.identities.isEmpty else { return }
        facebook.put(identity)
        try turn.note(.identity, level: .info, text: "made the first identity, \(identity.id)", did: identity.id)
        try turn.handle(.identitiesChanged)
        turn.after { self.presence.dial() }
    }
}
