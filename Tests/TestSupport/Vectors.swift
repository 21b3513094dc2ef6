package import Format
import Foundation

/// The recorded cases of one kind (wire.md 10), from the directory in CULVER_VECTORS or from the project's copy.
package enum Vectors {
    /// In the order of their names.
    package static func read(_ kind: String) throws -> [JSON] {
        try files(of: kind).map { name, bytes in
            do {
                return try JSON(parsing: bytes)
            } catch {
                throw TestFailure("\(name): \(error)")
            }
        }
    }

    /// The names, `kind/case.json`, and what the files hold.
    package static func files(of kind: String) throws -> [(name: String, bytes: [UInt8])] {
        let folder = directory.appendingPathComponent(kind)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        return try names.sorted().filter { $0.hasSuffix(".json") }.map { name in
            ("\(kind)/\(name)", [UInt8](try Data(contentsOf: folder.appendingPathComponent(name))))
        }
    }

    /// The names of the directories.
    package static var kinds: [String] {
        get throws {
            try FileManager.default.contentsOfDirectory(at: directory, includingPropertiesForKeys: [.isDirectoryKey])
                .filter(\.hasDirectoryPath).map(\.lastPathComponent).sorted()
        }
    }

    /// Whether the cases are the project's own.
    package static var isOurCopy: Bool {
        directory.standardizedFileURL.path == ourCopy.standardizedFileURL.path
    }

    private static var directory: URL {
        ProcessInfo.processInfo.environment["CULVER_VECTORS"].map { URL(fileURLWithPath: $0) } ?? ourCopy
    }

    private static var ourCopy: URL {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Vectors")
    }
}
