import Format
import Foundation

/// The recorded cases of one kind, from the directory in CULVER_VECTORS or from the project's copy.
enum Vectors {
    static func read(_ kind: String) throws -> [JSON] {
        let root =
            ProcessInfo.processInfo.environment["CULVER_VECTORS"].map { URL(fileURLWithPath: $0) }
            ?? URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Vectors")
        let names = try FileManager.default.contentsOfDirectory(atPath: root.appendingPathComponent(kind).path)
        return try names.sorted().filter { $0.hasSuffix(".json") }.map {
            try JSON(parsing: [UInt8](Data(contentsOf: root.appendingPathComponent(kind).appendingPathComponent($0))))
        }
    }
}

/// A case without a member that every such case has.
struct Missing: Error, CustomStringConvertible {
    let description: String
}

extension JSON {
    func text(_ name: String) throws -> String {
        guard let text = self[name]?.string else { throw Missing(description: "no text \(name)") }
        return text
    }

    func base64(_ name: String) throws -> [UInt8] {
        guard let bytes = Base64.decode(try text(name)) else { throw Missing(description: "no Base64 in \(name)") }
        return bytes
    }

    func hex(_ name: String) throws -> [UInt8] {
        guard let bytes = Hex.decode(try text(name)) else { throw Missing(description: "no hex in \(name)") }
        return bytes
    }

    /// The `data` of a key object.
    func key(_ name: String) throws -> String {
        guard let key = self[name] else { throw Missing(description: "no key \(name)") }
        return try key.text("data")
    }
}
