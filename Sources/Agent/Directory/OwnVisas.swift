package import DIMP
import Records

/// What our visas say that this board takes: a visa that says something else is signed anew. The longest message depends
/// on the brokers that there are, so a change has to last, and visas are not signed often: each goes to every peer.
///
/// A sender cannot know through which broker its message comes. So the largest limit counts, and that of a broker that is
/// away still does: nobody is told that something is too large which may get through.
struct OwnVisas {
    /// The longest packet that each broker took when it was last connected, in bytes; `Int64.max` without a limit.
    private var limits: [String: Int64] = [:]
    /// Since when a visa has said something else than it should, and when one was signed, in seconds lived.
    private var differsSince: Double?
    private var lastSigned: Double?
    /// Identities whose visa is with the pool.
    private var underway: Set<Address> = []

    mutating func connected(_ broker: String, packetLimit: Int64?, in context: Context) {
        limits[broker] = packetLimit ?? .max
        look(in: context)
    }

    /// Notes since when a visa is wrong. To be asked again after the configuration or the identities have changed.
    private mutating func look(in context: Context) {
        if wrong(in: context).isEmpty {
            differsSince = nil
        } else if differsSince == nil {
            differsSince = context.now.lived
        }
    }

    /// Has the pool sign what has been wrong for long enough.
    mutating func renewDue(in context: inout Context) {
        look(in: context)
        guard context.now.lived >= nextDue ?? .infinity else { return }
        lastSigned = context.now.lived
        let abilities = abilities(in: context)
        for identity in wrong(in: context) {
            underway.insert(identity.id.address)
            context.perform(
                .work(
                    Job(
                        lane: "visa \(identity.id.address.text)",
                        work: .renew(
                            VisaSigning(identity: identity, abilities: abilities, time: context.now.wall)))))
        }
    }

    /// The pool has signed; `nil` when it could not. False when nothing came of it, because the identity went or was
    /// changed meanwhile.
    mutating func renewed(
        _ signing: VisaSigning, as visa: Document?, in context: inout Context
    ) throws(LedgerError) -> Bool {
        giveUp(signing)
        let id = signing.identity.id
        guard let visa, context.book.identity(id.address)?.visa.data == signing.identity.visa.data else { return false }
        context.book.apply(.ownVisa(visa, of: id))
        let size = signing.abilities.size.map { "at most \($0) bytes" } ?? "as much as any board"
        try context.note(
            .identity, level: .info, text: "the visa of \(id) was renewed: it says that a message may have \(size)",
            did: id,
            reason: "visa-renewed")
        return true
    }

    mutating func giveUp(_ signing: VisaSigning) { underway.remove(signing.identity.id.address) }

    var nextDue: Double? {
        guard let differsSince, underway.isEmpty else { return nil }
        return max(differsSince + Tuning.visaPatience, (lastSigned ?? -.infinity) + Tuning.visaPause)
    }

    private func abilities(in context: Context) -> Abilities {
        let brokers = limits.values.max().map { $0 == .max ? $0 : $0 - Tuning.packetOverhead }
        let size = min(brokers ?? .max, Int64(context.policy.messageSize))
        var abilities = Abilities.ours
        abilities.size = Abilities.size(size)
        return abilities
    }

    /// Without a broker that was connected nothing is known.
    private func wrong(in context: Context) -> [Identity] {
        guard !limits.isEmpty else { return [] }
        let abilities = abilities(in: context)
        return context.book.identities.filter { $0.visa.abilities.map { $0 != abilities } ?? false }
    }
}

/// A visa that is to be signed anew, with the same key and other abilities.
package struct VisaSigning: Sendable {
    package var identity: Identity
    package var abilities: Abilities
    /// Seconds since 1970.
    package var time: Double
}
