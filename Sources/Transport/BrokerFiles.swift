import Format
import Glibc
import System

// The files that a connection to a broker needs: a password, certificates, a key. Each connection reads them anew, so
// that what replaces them counts from the next one on.

/// Why a file of a broker's section cannot be used. The words name the file.
package struct BrokerFileFault: Error, Sendable, Equatable, CustomStringConvertible {
    /// The key of the configuration that names it.
    package let key: String
    package let path: String
    private let words: String

    init(_ key: String, _ path: String, _ words: String) {
        self.key = key
        self.path = path
        self.words = words
    }

    package var description: String {
        let file = key == "password_file" ? "the password file \(path)" : path
        return path.hasPrefix("/")
            ? "cannot read \(file): \(words)" : "cannot read \(key): nobody handed us a credential \(path)"
    }
}

extension BrokerOptions {
    /// What the files hold, in a fixed order; nothing for one that is not named.
    ///
    /// A certificate or key is looked at no closer than that it is one: OpenSSL has the last word.
    package func fileContents() throws(BrokerFileFault) -> [[UInt8]] {
        [
            try readPassword() ?? [], try read("ca_file", caFile, as: .certificate),
            try read("cert_file", certFile, as: .certificate), try read("key_file", keyFile, as: .key),
        ]
    }

    /// The first line of the password's file, without its end; `nil` when none is named.
    func readPassword() throws(BrokerFileFault) -> [UInt8]? {
        guard let path = passwordFile else { return nil }
        let line = Array(try contents("password_file", path, limit: 4096).prefix { $0 != 10 && $0 != 13 })
        guard !line.isEmpty else { throw BrokerFileFault("password_file", path, "its first line is empty") }
        return line
    }

    /// What a file holds in the form that OpenSSL calls PEM.
    private enum Kind {
        case certificate, key
    }

    private func read(_ key: String, _ path: String?, as kind: Kind) throws(BrokerFileFault) -> [UInt8] {
        guard let path else { return [] }
        let bytes = try contents(key, path, limit: 4 << 20)
        switch kind {
        case .certificate:
            guard bytes.has("CERTIFICATE-----") else {
                throw BrokerFileFault(key, path, "there is no certificate in it")
            }
        case .key:
            guard bytes.has("PRIVATE KEY-----") else {
                throw BrokerFileFault(key, path, "there is no private key in it")
            }
            guard !bytes.has("ENCRYPTED") else {
                throw BrokerFileFault(key, path, "the key in it is encrypted, and nobody is here to type its password")
            }
        }
        return bytes
    }

    private func contents(_ key: String, _ path: String, limit: Int) throws(BrokerFileFault) -> [UInt8] {
        guard path.hasPrefix("/") else { throw BrokerFileFault(key, path, "") }
        do throws(Errno) {
            // Links are followed, and a pipe that nobody writes to holds nothing up.
            let file = try Descriptor(following: path, flags: O_RDONLY | O_NONBLOCK)
            let size = Int64(try file.status().st_size)
            guard size <= limit else { throw Errno(EFBIG) }
            return try file.read(limit: max(1, Int(clamping: size)))
        } catch {
            throw BrokerFileFault(key, path, "\(error)")
        }
    }
}
