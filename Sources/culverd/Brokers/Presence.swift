import Crypto
import DIMP
import Format

/// The signed statement that we are there, or that we are gone (design section 4): a hint for people, never a
/// condition of delivery. Signed for its own purpose, so that it passes for nothing else.
struct Presence: Sendable {
    let address: Address
    let online: [UInt8]
    let gone: [UInt8]

    /// Two private-key operations. `boot` is random for each start, `at` in seconds since 1970.
    init?(identities: [Identity], boot: String, at: Double) {
        guard let first = identities.first, let online = Self.statement("online", identities, boot, at),
            let gone = Self.statement("gone", identities, boot, at)
        else { return nil }
        address = first.id.address
        self.online = online
        self.gone = gone
    }

    private static func statement(_ state: String, _ identities: [Identity], _ boot: String, _ at: Double) -> [UInt8]? {
        guard let first = identities.first else { return nil }
        var data: JSONObject = [
            "signed": "state", "did": .string(first.id.bare.text), "state": .string(state), "at": .number(at),
            "boot": .string(boot),
        ]
        let others = identities.dropFirst().map { JSON.string($0.id.bare.text) }
        if !others.isEmpty { data["with"] = .array(others) }
        let text = JSON.object(data).text
        guard let signature = try? first.secret.sign(Array(text.utf8)) else { return nil }
        let statement: JSON = ["data": .string(text), "signature": .string(Base64.encode(signature))]
        return statement.bytes
    }
}
