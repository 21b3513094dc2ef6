import Crypto
package import DIMP
import Format
package import Records

/// A group that is to be founded: all that its keys and its first documents need, so that any thread can make them.
package struct GroupFounding: Sendable {
    private let founder: Identity
    private let name: String
    /// Seconds since 1970.
    private let time: Double

    package init(of name: String, by founder: Identity, time: Double) {
        self.founder = founder
        self.name = name
        self.time = time
    }

    /// A group with its founder as the only member, and what proves it.
    package struct Founded: Sendable {
        package let group: KnownGroup
        package let secret: PrivateKey
        package let meta: Meta
        package let bulletin: Document
    }

    /// Makes the keys. Slow: seconds on a small board.
    package func made() throws(Refusal) -> Founded {
        do throws(CryptoError) {
            let secret = PrivateKey.rsa(try RSAPrivateKey.generate(bits: 2048))
            let meta = try Meta(seed: name, signedBy: secret)
            guard let network = EntityType.group.network(.today), let id = meta.id(network: network) else {
                throw .badKey("no ID can be made of this key")
            }
            let bulletin = try Document.bulletin(
                of: id, name: name, founder: founder.id, time: time, signedBy: secret)
            let card = Content.documentCommand(
                "document", about: id, document: bulletin, meta: meta, sn: 1, time: time)
            let message = try Packing(identity: founder, receiver: .anyone, recipients: []).seal(card).message
            var group = KnownGroup(id, foundedBy: founder.id)
            group.name = name
            if let card = message.json.object { group.show(card) }
            return Founded(group: group, secret: secret, meta: meta, bulletin: bulletin)
        } catch {
            throw Refusal(.inputOutput, "no-keys", "cannot make keys: \(error)")
        }
    }
}
