/// What can go wrong with keys and with what they are asked to do. None carries key material.
package enum CryptoError: Error, Equatable, Sendable {
    /// A key, or an IV, that cannot be read or used; the words say why.
    case badKey(String)
    /// More bytes than an RSA key can encrypt at once.
    case tooLong(limit: Int)
    /// Not made for this key, or damaged: RSA does not say which, so that nobody learns it by asking.
    case cannotDecrypt
    /// AES-CBC gave bytes that end in no padding of wire.md 5.2.
    case badPadding
    /// The kernel gave no random bytes.
    case noEntropy
    /// mbedTLS failed where it should not have.
    case library(operation: String, code: Int32)
    /// What is to be encrypted cannot be read.
    case unreadable
}

extension CryptoError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .badKey(let reason): "bad key: \(reason)"
        case .tooLong(let limit): "too long to encrypt: the key takes at most \(limit) bytes"
        case .cannotDecrypt: "cannot decrypt"
        case .badPadding: "bad padding after decryption"
        case .noEntropy: "no random bytes from the kernel"
        case .unreadable: "the content cannot be read again"
        case .library(let operation, let code):
            "cannot \(operation): mbedTLS error \(code < 0 ? "-" : "")0x\(String(code.magnitude, radix: 16))"
        }
    }
}
