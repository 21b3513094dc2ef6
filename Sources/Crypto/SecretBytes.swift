/// Bytes that nobody should see: wiped when the last copy goes, compared in constant time, described as nothing.
///
/// Copies share one storage. What leaves through `revealed` is an ordinary array that nobody wipes.
package struct SecretBytes: Sendable {
    private let storage: SecretStorage

    package init(_ bytes: [UInt8]) {
        storage = SecretStorage(bytes)
    }

    package var count: Int { storage.count }

    /// A copy that is not wiped; hand it straight to what needs it.
    package var revealed: [UInt8] { storage.copy() }

    /// Hands a copy to `body` and wipes it afterwards, unless `body` kept it.
    package func withBytes<R, E: Error>(_ body: ([UInt8]) throws(E) -> R) throws(E) -> R {
        var bytes = storage.copy()
        defer { wipe(&bytes) }
        return try body(bytes)
    }
}

extension SecretBytes: Equatable {
    /// Takes the same time wherever the first difference stands; only the counts may show.
    package static func == (left: SecretBytes, right: SecretBytes) -> Bool {
        left.storage.equals(right.storage)
    }
}

extension SecretBytes: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "(secret)" }
    package var debugDescription: String { "(secret)" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
