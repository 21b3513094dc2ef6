import DIMP
import Format

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

/// Members that every case of its kind has.
extension JSON {
    func member(_ name: String) throws -> JSON {
        guard let member = self[name] else { throw Disagreement("the case has no \(name)") }
        return member
    }

    func text(_ name: String) throws -> String {
        guard let text = self[name]?.string else { throw Disagreement("the case has no text \(name)") }
        return text
    }

    func did(_ name: String) throws -> ID {
        guard let id = ID(try text(name)) else { throw Disagreement("\(name) is no ID") }
        return id
    }

    func base64(_ name: String) throws -> [UInt8] {
        guard let bytes = Base64.decode(try text(name)) else { throw Disagreement("no Base64 in \(name)") }
        return bytes
    }

    func hex(_ name: String) throws -> [UInt8] {
        guard let bytes = Hex.decode(try text(name)) else { throw Disagreement("no hex in \(name)") }
        return bytes
    }

    /// The `data` of a key object.
    func key(_ name: String) throws -> String {
        try member(name).text("data")
    }
}
