import Format

/// A file inside a message or somewhere else (wire.md 5.3 and 7, "PNF").
package struct FileReference: Sendable, Equatable {
    package var filename: String?
    /// The bytes, when they travel inside.
    package var data: [UInt8]?
    package var url: String?
    /// The key of the file at `url`; `password` until 1.0.
    package var key: SymmetricKey?

    /// `nil` when a member is there and cannot be read.
    init?(_ object: JSONObject) {
        filename = object["filename"]?.string
        url = object["URL"]?.string
        if let text = object["data"] {
            guard let data = text.string.flatMap(Base64.decode) else { return nil }
            self.data = data
        }
        if let json = object.first("key", "password") {
            guard let key = try? SymmetricKey(json) else { return nil }
            self.key = key
        }
    }
}
