import Crypto
import Format

// What programs outside of this package use beside the public members of the types themselves: every value comes from,
// and goes into, DIMP's JSON as text. `docs/examples/library` is such a program.

/// What an entity says of itself under its signature: among others the key to write to it.
public typealias Visa = Document

extension Meta {
    /// From a meta of any era. Refuses one whose fingerprint does not verify.
    public init(jsonText: String) throws(Rejection) { try self.init(JSON(libraryText: jsonText, at: .meta)) }

    /// The meta as JSON text, for a file or the network.
    public var jsonText: String { JSON.object(json).text }
}

extension Document {
    /// From a profile or visa of any era. `check(of:meta:)` says whether it is true.
    public init(jsonText: String) throws(Rejection) { try self.init(JSON(libraryText: jsonText, at: .meta)) }

    /// The document as JSON text, for a file or the network.
    public var jsonText: String { JSON.object(json).text }

    /// Refuses a document that is not about this ID, or that the key of its meta did not sign.
    public func check(of id: ID, meta: Meta) throws(Rejection) {
        guard meta.vouches(for: id) else { throw Rejection(.meta, "the meta is of another ID") }
        try check(about: id, meta: meta)
    }
}

extension Identity {
    /// The seed's `register`: makes an RSA key, the meta of that name, the ID, a key for messages and a signed visa.
    /// `bits` of each key, 1024 to 4096; `time` in seconds since 1970. Takes a second or more.
    public static func register(_ name: String, bits: Int = 2048, time: Double) throws(Transceiver.Failure) -> Identity
    {
        do throws(CryptoError) {
            return try register(name: name, network: 8, algorithm: .rsa, bits: bits, time: time)
        } catch {
            throw .crypto("\(error)")
        }
    }

    /// The private keys as JSON texts, in the clear: that of the meta first, then those of visas, the newest first.
    public var privateKeys: [String] { ([secret] + visaKeys).map(\.json.text) }

    /// An identity that was stored. `privateKeys` as they were given.
    public init(meta: Meta, visa: Visa, id: ID, privateKeys: [String]) throws(Transceiver.Failure) {
        var keys: [PrivateKey] = []
        for text in privateKeys {
            guard let json = try? JSON(parsing: text), let key = try? PrivateKey(json) else {
                throw .crypto("a private key cannot be read")
            }
            keys.append(key)
        }
        guard let secret = keys.first, meta.vouches(for: id) else { throw .noIdentity(id) }
        self.init(id: id, meta: meta, secret: secret, visa: visa, visaKeys: Array(keys.dropFirst()))
    }
}

extension Content {
    /// From the JSON text of any content, such as `{"type": 204, "app": "garden", "mod": "valve", "act": "open"}`.
    public init(jsonText: String) throws(Rejection) { try self.init(JSON(libraryText: jsonText, at: .content)) }

    /// The content as JSON text.
    public var jsonText: String { JSON.object(json).text }

    /// The text of a text content; `nil` for every other.
    public var plainText: String? {
        if case .text(let text) = body { text } else { nil }
    }
}

extension ReliableMessage {
    /// From the bytes of a message of any era, at most 1 MiB.
    public init(wire: [UInt8]) throws(Rejection) {
        try self.init(IncomingMessage(parsing: wire, maximumSize: Int(ProtocolLimits.messageSize)).message)
    }

    /// The message as it travels, in the form that every era reads.
    public var wire: [UInt8] { json.bytes }

    /// Who says that it sent it: a claim until `Transceiver.verifyDecrypt`.
    public var sender: ID { envelope.sender }
    /// Whom it is for.
    public var receiver: ID { envelope.receiver }
    /// The sender's meta that is attached, if there is one and its fingerprint verifies.
    public var attachedMeta: Meta? { try? meta.map { (json) throws(Rejection) in try Meta(json) } }

    private init(_ message: ReliableMessage) { self = message }
}

extension InstantMessage {
    /// Who sent it, once it came out of `Transceiver.verifyDecrypt`.
    public var sender: ID { envelope.sender.bare }
}

extension JSON {
    fileprivate init(libraryText text: String, at stage: Rejection.Stage) throws(Rejection) {
        do throws(JSONError) {
            try self.init(parsing: text)
        } catch {
            throw Rejection(stage, "\(error)")
        }
    }
}
