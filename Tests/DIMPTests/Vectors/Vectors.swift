import DIMP
import Format
import Foundation

/// The recorded cases of one kind (protocol.md 10), from the directory in CULVER_VECTORS or from the project's copy.
enum Vectors {
    static func read(_ kind: String) throws -> [JSON] {
        let root =
            ProcessInfo.processInfo.environment["CULVER_VECTORS"].map { URL(fileURLWithPath: $0) }
            ?? URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("Vectors")
        let folder = root.appendingPathComponent(kind)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        return try names.sorted().filter { $0.hasSuffix(".json") }.map { name in
            do {
                return try JSON(parsing: [UInt8](Data(contentsOf: folder.appendingPathComponent(name))))
            } catch {
                throw Disagreement("\(kind)/\(name): \(error)")
            }
        }
    }

    /// Judges every case of a kind, prints the counts, and returns the names and reasons of those that disagree.
    static func judge(_ kind: String, by agree: (JSON) throws -> Void) throws -> (agreed: Int, disagreed: [String]) {
        var agreed = 0
        var disagreed: [String] = []
        for vector in try read(kind) {
            do {
                try agree(vector)
                agreed += 1
            } catch {
                disagreed.append("\(try vector.text("name")) (\(try vector.text("source"))): \(error)")
            }
        }
        print("vectors: \(agreed) agreed, \(disagreed.count) disagreed, 0 skipped (\(kind))")
        return (agreed, disagreed)
    }
}

/// What a recorded case and we do not agree about.
struct Disagreement: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// `condition` or a Disagreement.
func agree(_ condition: Bool, _ about: String) throws {
    if !condition { throw Disagreement(about) }
}

extension JSON {
    func text(_ name: String) throws -> String {
        guard let text = self[name]?.string else { throw Disagreement("the case has no text \(name)") }
        return text
    }

    func member(_ name: String) throws -> JSON {
        guard let member = self[name] else { throw Disagreement("the case has no \(name)") }
        return member
    }

    func did(_ name: String) throws -> ID {
        guard let id = ID(try text(name)) else { throw Disagreement("\(name) is no ID") }
        return id
    }
}
