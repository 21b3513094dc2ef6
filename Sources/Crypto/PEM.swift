/// Base64 between `-----BEGIN LABEL-----` and `-----END LABEL-----`.
///
/// Labels only choose between blocks and decide nothing else: the published keys of hulk and moki say PUBLIC KEY over
/// the structure of RSA PUBLIC KEY (wire.md 5.1). White space is ignored. Lines are written with 64 digits.
enum PEM {
    /// Far above an RSA-4096 private and public key one after the other.
    static let limit = 16_384

    /// The first block whose label has this word, else the first of all. Throws `badKey`.
    static func body(of text: String, preferring word: String) throws(CryptoError) -> [UInt8] {
        guard text.utf8.count <= limit else { throw .badKey("more than \(limit) bytes of PEM") }
        // Neither labels nor Base64 have hyphens: what is left is label, body, label, space, label, …
        let pieces = text.utf8.split(separator: UInt8(ascii: "-")).map { String(Substring($0)) }
        let begins = pieces.indices.dropLast(2).filter {
            pieces[$0].hasPrefix("BEGIN ") && pieces[$0 + 2].hasPrefix("END ")
        }
        guard let begin = begins.first(where: { pieces[$0].utf8.contains(word: word) }) ?? begins.first else {
            throw .badKey("no PEM block")
        }
        guard let body = base64(pieces[begin + 1]) else { throw .badKey("PEM that is no Base64") }
        return body
    }

    /// No line break at the end.
    static func armour(_ body: [UInt8], label: String) -> String {
        var text = "-----BEGIN \(label)-----\n"
        for (index, digit) in base64(body).enumerated() {
            if index > 0, index.isMultiple(of: 64) { text.append("\n") }
            text.unicodeScalars.append(Unicode.Scalar(digit))
        }
        return text + "\n-----END \(label)-----"
    }
}

extension String.UTF8View {
    fileprivate func contains(word: String) -> Bool {
        let words = split(separator: UInt8(ascii: " "))
        return words.contains { $0.elementsEqual(word.utf8) }
    }
}
