import DIMP

/// Knows everybody: metas, visas, and the users of this program. Here in memory; a real one has files or a database.
final class Facebook: Barrack {
    private var metas: [Address: Meta] = [:]
    private var visas: [Address: Visa] = [:]
    private let keyStore: KeyStore

    init(keyStore: KeyStore) {
        self.keyStore = keyStore
    }

    /// Refuses a meta that does not match.
    func saveMeta(_ meta: Meta, of id: ID) -> Bool {
        guard meta.vouches(for: id) else { return false }
        metas[id.address] = meta
        return true
    }

    /// Refuses a visa that the owner of the ID did not sign.
    func saveVisa(_ visa: Visa, of id: ID) -> Bool {
        guard let meta = metas[id.address], (try? visa.check(of: id, meta: meta)) != nil else { return false }
        visas[id.address] = visa
        return true
    }

    // MARK: - Barrack

    func meta(of id: ID) -> Meta? { metas[id.address] }
    func visa(of id: ID) -> Visa? { visas[id.address] }
    func identity(_ address: Address) -> Identity? { keyStore.user(address) }
}
