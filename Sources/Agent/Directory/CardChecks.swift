package import DIMP
import Format
import Records

/// Which cards of others are looked at, and when: a meta with a seed and a visa cost a public-key operation each, which is
/// the pool's work. `Lookups` decides what becomes of a card that proved itself.
struct CardChecks {
    /// What is with the pool, by the address that it is about. The same card comes from several brokers.
    private var inFlight: [Address: InFlight] = [:]
    /// A broker can show as much as it likes. What is not looked at is asked for later.
    private var operations = Budget(perSecond: Tuning.checkedCardsPerSecond, burst: Tuning.checkedCardsAtOnce)

    private struct InFlight {
        var meta: JSON?
        /// The signed data of visas.
        var data: [String] = []
    }

    /// A meta for an entity without one. `nil` while the same one is being checked, and over budget.
    mutating func begin(meta: JSON, of id: ID, in context: inout Context) -> Job? {
        guard inFlight[id.address]?.meta != meta, take(in: &context) else { return nil }
        inFlight[id.address, default: InFlight()].meta = meta
        return CardCheck(id: id, found: meta, known: nil, visas: []).job
    }

    /// Visas of an entity whose meta is known, or is being checked: its result comes first. `nil` when there is nothing to
    /// check them with, when they are being checked, and over budget.
    mutating func begin(visas: [Document], of id: ID, meta: Meta?, in context: inout Context) -> Job? {
        let found = meta == nil ? inFlight[id.address]?.meta : nil
        guard meta != nil || found != nil else { return nil }
        let new = visas.filter { inFlight[id.address]?.data.contains($0.data) != true && take(in: &context) }
        guard !new.isEmpty else { return nil }
        inFlight[id.address, default: InFlight()].data += new.map(\.data)
        return CardCheck(id: id, found: found, known: meta, visas: new).job
    }

    /// The pool is done with it.
    mutating func end(_ check: CardCheck) {
        let address = check.id.address
        if check.visas.isEmpty, inFlight[address]?.meta == check.found { inFlight[address]?.meta = nil }
        inFlight[address]?.data.removeAll { data in check.visas.contains { $0.data == data } }
        if let rest = inFlight[address], rest.meta == nil, rest.data.isEmpty { inFlight[address] = nil }
    }

    private mutating func take(in context: inout Context) -> Bool {
        if operations.take(at: context.now.lived) { return true }
        context.counts.lookupsDropped += 1
        return false
    }
}

/// Cards of one entity that have to prove themselves: a meta, or visas with the meta that is to have signed them.
package struct CardCheck: Sendable {
    /// The name in front of its address is a claim.
    package var id: ID
    /// The meta as it came; `nil`: it is known.
    var found: JSON?
    var known: Meta?
    /// Empty where the meta itself is wanted.
    var visas: [Document]

    /// Why a meta is none, and the same for each visa; `nil` for one that is good.
    package struct CheckedCards: Sendable {
        var meta: Result<Meta, Rejection>
        var visas: [Rejection?]
    }

    /// All checks of one entity have one lane: so a meta is known before its visas come.
    var job: Job { Job(lane: "card \(id.address.text)", work: .check(self)) }

    /// Bytes that are held for it.
    var weight: Int { (found?.footprint ?? 0) + visas.reduce(0) { $0 + $1.footprint } }

    /// A public-key operation for each card.
    func checked() -> CheckedCards {
        let meta = Result { () throws(Rejection) in
            if let known { return known }
            let meta = try Meta(found)
            // The address is proven; the name in front of it is what somebody wrote.
            guard meta.vouches(for: ID(name: meta.seed, address: id.address)) else {
                throw Rejection(.meta, "the meta found is of another ID")
            }
            return meta
        }
        return CheckedCards(
            meta: meta,
            visas: visas.map { visa in
                do throws(Rejection) {
                    try visa.check(about: id, meta: meta.get())
                    return nil
                } catch {
                    return error
                }
            })
    }
}
