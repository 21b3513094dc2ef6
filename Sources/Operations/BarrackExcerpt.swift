import DIMP

/// What one message needs of a Barrack, taken out of it: fit for another thread.
final class BarrackExcerpt: Barrack, Sendable {
    private let identities: [Identity]
    private let peer: ID
    private let meta: Meta?
    private let visa: Document?
    private let devices: [Document]

    init(of barrack: any Barrack, identities: [Identity], peer: ID) {
        self.identities = identities
        self.peer = peer
        meta = barrack.meta(of: peer)
        visa = barrack.visa(of: peer)
        devices = barrack.deviceVisas(of: peer)
    }

    func meta(of id: ID) -> Meta? {
        identity(id.address).map { $0.id == id ? $0.meta : nil } ?? (id == peer ? meta : nil)
    }

    func visa(of id: ID) -> Document? { identity(id.address)?.visa ?? (id == peer ? visa : nil) }
    func deviceVisas(of id: ID) -> [Document] { id == peer ? devices : [] }
    func identity(_ address: Address) -> Identity? { identities.first { $0.id.address == address } }
}
