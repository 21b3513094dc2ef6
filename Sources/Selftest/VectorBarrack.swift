import DIMP

/// A Barrack in memory.
final class VectorBarrack: Barrack {
    var metas: [ID: Meta] = [:]
    var visas: [ID: Document] = [:]
    var identities: [Address: Identity] = [:]

    init(knowing known: [Identity] = [], owning own: [Identity] = []) {
        for identity in known + own {
            metas[identity.id] = identity.meta
            visas[identity.id] = identity.visa
        }
        for identity in own { identities[identity.id.address] = identity }
    }

    func meta(of id: ID) -> Meta? { metas[id] }
    func visa(of id: ID) -> Document? { visas[id] }
    func identity(_ address: Address) -> Identity? { identities[address] }
}
