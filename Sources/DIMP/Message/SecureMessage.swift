package import Crypto
import Format

/// A message with its content encrypted: what is signed, and what comes out when a signature verified.
package struct SecureMessage: Sendable {
    package var envelope: Envelope
    /// The bytes that the signature covers: the ciphertext, or a broadcast's JSON text as it came.
    package var data: [UInt8]
    package var iv: [UInt8]?
    /// Wrapped keys by the text of their receiver's ID.
    package var keys: [WrappedKey]

    package struct WrappedKey: Sendable, Equatable {
        /// An ID, perhaps with a terminal; empty for the plain `key` field of a message.
        package var receiver: String
        package var bytes: [UInt8]

        package init(receiver: String, bytes: [UInt8]) {
            self.receiver = receiver
            self.bytes = bytes
        }
    }

    package init(envelope: Envelope, data: [UInt8], iv: [UInt8]?, keys: [WrappedKey]) {
        self.envelope = envelope
        self.data = data
        self.iv = iv
        self.keys = keys
    }

    /// `digest` is the SHA-256 of `data`, for whoever has it already.
    package func signed(by secret: PrivateKey, digest: [UInt8]? = nil) throws(CryptoError) -> ReliableMessage {
        ReliableMessage(secure: self, signature: try secret.sign(digest: digest ?? Digest.sha256(data)))
    }

    /// The wrapped keys that may be for this member: the plain one, the one under its ID, those of its terminals. At
    /// most `ProtocolLimits.wrappedKeys` of them.
    package func wrappedKeys(for id: ID) -> [[UInt8]] {
        let name = id.bare.text
        var found: [[UInt8]] = []
        func take(_ key: WrappedKey) {
            if found.count < ProtocolLimits.wrappedKeys, !found.contains(key.bytes) { found.append(key.bytes) }
        }
        for key in keys where key.receiver.isEmpty || key.receiver == name { take(key) }
        // Not read as IDs, which costs two hashes each: there may be thousands, and nobody has signed them.
        let terminals = Array("\(name)/".utf8)
        for key in keys where key.receiver.utf8.starts(with: terminals) { take(key) }
        return found
    }

    /// The same with their names, each once: an unnamed one takes that of the member if no other has it.
    package func keys(for id: ID) -> [WrappedKey] {
        let name = id.bare.text
        let terminals = Array("\(name)/".utf8)
        var found = keys.filter { $0.receiver == name || $0.receiver.utf8.starts(with: terminals) }
        if !found.contains(where: { $0.receiver == name }), let unnamed = keys.first(where: { $0.receiver.isEmpty }) {
            found.insert(WrappedKey(receiver: name, bytes: unnamed.bytes), at: 0)
        }
        return Array(found.prefix(ProtocolLimits.wrappedKeys))
    }

    /// Opens the content with a key that is known already.
    package func decrypted(with key: SymmetricKey) throws(Rejection) -> InstantMessage {
        let plaintext: [UInt8]
        switch key {
        case .plain:
            guard envelope.isBroadcast else { throw Rejection(.key, "a plain key in a message that is no broadcast") }
            plaintext = data
        case .aes(let bytes, let keyIV):
            let iv = iv ?? keyIV ?? [UInt8](repeating: 0, count: 16)
            do throws(CryptoError) {
                plaintext = try bytes.withBytes { (key) throws(CryptoError) in try AES.decrypt(data, key: key, iv: iv) }
            } catch {
                throw Rejection(.decrypt, "the content cannot be decrypted")
            }
        }
        // A wrong key is most often noticed here: text that is no JSON is a failed decryption, not a wrong content.
        let json: JSON
        do throws(JSONError) {
            json = try JSON(parsing: plaintext)
        } catch {
            throw Rejection(envelope.isBroadcast ? .content : .decrypt, "the content cannot be decrypted or read")
        }
        let content = try Content(json)
        if key == .plain { try content.checkBroadcast() }
        return InstantMessage(envelope: envelope, content: content)
    }

    /// Unwraps the message key with the private keys of this member, in turn. Wrong padding goes on with a random
    /// key, so that it fails like any other wrong key and tells nobody anything (extensions.md 4). Says which of the
    /// wrapped keys it was, and which of the secrets.
    package func unwrapped(
        for id: ID, with secrets: [RSAPrivateKey]
    ) throws(Rejection) -> (key: SymmetricKey, wrapped: [UInt8], secret: Int) {
        let candidates = wrappedKeys(for: id)
        guard let first = candidates.first else { throw Rejection(.key, "there is no key for this receiver") }
        var found: (SymmetricKey, [UInt8], Int)?
        var refusal: Rejection?
        for bytes in candidates {
            for (number, secret) in secrets.enumerated() {
                guard let text = try? secret.decrypt(bytes), let json = try? JSON(parsing: text.revealed) else {
                    continue
                }
                do throws(Rejection) {
                    let key = try SymmetricKey(json)
                    guard key != .plain else { throw Rejection(.key, "a wrapped key must be AES") }
                    if let from = json["from"], from.string != envelope.sender.address.text {
                        throw Rejection(.key, "the message key was wrapped by another sender")
                    }
                    if found == nil { found = (key, bytes, number) }
                } catch {
                    refusal = error
                }
            }
        }
        if let found { return found }
        if let refusal { throw refusal }
        guard let random = try? SymmetricKey.generate() else { throw Rejection(.decrypt, "no random bytes") }
        return (random, first, secrets.count)
    }
}
