import Crypto

/// What stands under the pieces of one file between two peers (extensions.md 10): each is followed by HMAC-SHA-256 of
/// `ID/N/` and the piece, so that a broker can neither change one, nor show it as another, nor take it from another file.
///
///     payload = piece ‖ HMAC(HKDF(file key, "culver file ID SENDER RECEIVER"), "ID/N/" ‖ piece)
package struct FilePieces: Sendable {
    private let offer: FileOffer
    private let key: SecretBytes

    /// Bytes behind each piece.
    package static let seal = 32

    package init(_ offer: FileOffer, from sender: Address, to receiver: Address) {
        self.offer = offer
        key = HKDF.sha256(offer.key, info: Array("culver file \(offer.id) \(sender) \(receiver)".utf8))
    }

    /// The payload of piece `number`.
    package func sealed(_ piece: [UInt8], number: Int) -> [UInt8] { piece + mac(of: piece, number) }

    /// The piece of a payload that anybody may have written.
    package func opened(_ payload: [UInt8], number: Int) throws(Rejection) -> [UInt8] {
        guard 0..<offer.count ~= number else { throw Rejection(.content, "a piece beyond the end of its file") }
        guard payload.count == offer.place(of: number).length + Self.seal else {
            throw Rejection(.content, "a piece of a file with \(payload.count) bytes")
        }
        let piece = Array(payload.dropLast(Self.seal))
        guard SecretBytes(Array(payload.suffix(Self.seal))) == SecretBytes(mac(of: piece, number)) else {
            throw Rejection(.signature, "a piece of a file that its sender did not make")
        }
        return piece
    }

    private func mac(of piece: [UInt8], _ number: Int) -> [UInt8] {
        HMAC.sha256(Array("\(offer.id)/\(number)/".utf8) + piece, key: key)
    }
}
