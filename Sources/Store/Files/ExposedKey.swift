import Glibc
import System

/// A private key that others than its owner can reach: a reason not to start, and the cure (culver.conf(5)).
package struct ExposedKey: Error, Sendable, Equatable, CustomStringConvertible {
    /// The whole path.
    package var path: String

    package var cure: String { "chmod 600 \(path)" }
    package var description: String { "the private key \(path) can be read by others: \(cure)" }
}

extension StateDirectory {
    /// Every private key with a permission for group or others.
    package func exposedKeys() throws(FileError) -> [ExposedKey] {
        var names = try list(StatePath.groups).map { StatePath.secret(ofGroup: $0) }
        for address in try list(StatePath.identities) {
            names.append(StatePath.secret(of: address))
            names += try list(StatePath.visaKeys(of: address)).map { "\(StatePath.visaKeys(of: address))/\($0)" }
        }
        var found: [ExposedKey] = []
        for name in names {
            let path = try full(name)
            if let status = try? at(name, status(of:)), status.isRegular, status.openness != 0 {
                found.append(ExposedKey(path: path))
            }
        }
        return found
    }
}
