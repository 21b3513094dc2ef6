import DIMP

/// Keeps what is secret: the private keys of the users of this program, as texts. Here in memory; a real one has files
/// that nobody else reads. Message keys are made anew for each message, as all DIMP software reads them.
final class KeyStore {
    private struct StoredUser {
        var id: ID
        var meta: String
        var visa: String
        var privateKeys: [String]
    }

    private var users: [Address: StoredUser] = [:]

    func save(_ user: Identity) {
        users[user.id.address] = StoredUser(
            id: user.id, meta: user.meta.jsonText, visa: user.visa.jsonText, privateKeys: user.privateKeys)
    }

    func user(_ address: Address) -> Identity? {
        guard let stored = users[address], let meta = try? Meta(jsonText: stored.meta),
            let visa = try? Visa(jsonText: stored.visa)
        else { return nil }
        return try? Identity(meta: meta, visa: visa, id: stored.id, privateKeys: stored.privateKeys)
    }
}
