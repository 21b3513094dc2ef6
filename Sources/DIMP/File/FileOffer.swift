package import Crypto
package import Format

/// A file that comes in pieces beside its message (extensions.md 10): what the content says of it.
///
///     {"type": 16, "filename": NAME, "key": {"algorithm": "AES", "data": base64, "iv": base64},
///      "file": {"v": 1, "id": ID, "size": BYTES, "piece": BYTES, "sha256": base64}}
///
/// The pieces are parts of the ciphertext, AES-256-CBC under `key` with PKCS#7; `size` and `sha256` are the file's own.
package struct FileOffer: Sendable, Equatable {
    /// 16 to 32 of `[0-9a-z]`, random: a level of a topic and a name of a file.
    package let id: String
    package let size: Int64
    /// Bytes of ciphertext in each piece but the last, a multiple of 16.
    package let piece: Int
    /// 32 bytes.
    package let digest: [UInt8]
    package let key: SecretBytes
    package let iv: [UInt8]

    /// `nil` for numbers that no reader takes.
    package init?(id: String, size: Int64, piece: Int, digest: [UInt8], key: SecretBytes, iv: [UInt8]) {
        guard Self.isID(id), size >= 0, size <= Int64.max - 32, digest.count == 32, key.count == 32, iv.count == 16,
            ProtocolLimits.pieceBytes.least...ProtocolLimits.pieceBytes.most ~= piece, piece.isMultiple(of: AES.block),
            (size + 16) / Int64(piece) < Int64(ProtocolLimits.pieces)
        else { return nil }
        (self.id, self.size, self.piece, self.digest, self.key, self.iv) = (id, size, piece, digest, key, iv)
    }

    /// `nil` for a content that offers none, or none that can be read.
    package init?(_ content: JSONObject) {
        guard let file = content["file"]?.object, file["v"]?.integer == 1, let id = file["id"]?.string,
            let size = file["size"]?.integer, let piece = file["piece"]?.integer,
            let digest = file["sha256"]?.string.flatMap(Base64.decode),
            let json = content["key"], case .aes(let key, let iv?)? = try? SymmetricKey(json)
        else { return nil }
        self.init(id: id, size: size, piece: Int(clamping: piece), digest: digest, key: key, iv: iv)
    }

    package static func isID(_ text: String) -> Bool {
        16...32 ~= text.utf8.count
            && text.utf8.allSatisfy {
                UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0
            }
    }

    /// The members of the content that say it.
    package var members: JSONObject {
        [
            "key": SymmetricKey.aes(key: key, iv: iv).json(),
            "file": [
                "v": 1, "id": .string(id), "size": .integer(size), "piece": .integer(Int64(piece)),
                "sha256": .string(Base64.encode(digest)),
            ],
        ]
    }

    /// Bytes of the ciphertext, with its padding.
    package var sealedSize: Int64 { (size / 16 + 1) * 16 }

    /// How many pieces there are, at least one.
    package var count: Int { Int((sealedSize + Int64(piece) - 1) / Int64(piece)) }

    /// Where a piece begins in the ciphertext, and its bytes.
    package func place(of number: Int) -> (offset: Int64, length: Int) {
        let offset = Int64(number) * Int64(piece)
        return (offset, Int(min(Int64(piece), sealedSize - offset)))
    }
}
