import Control
import Format

/// The parameters of a call, by name and type. Throws the RPCError that names what is wrong.
struct Params {
    private let object: JSONObject

    /// Refuses every parameter that the method does not know, by name.
    init(_ object: JSONObject, known: [String]) throws {
        for name in object.names where !known.contains(name) {
            throw RPCError.invalidParams("unknown parameter \(name)", reason: "unknown-parameter")
        }
        self.object = object
    }

    /// `null` counts as absent.
    func json(_ name: String) -> JSON? {
        guard let value = object[name], !value.isNull else { return nil }
        return value
    }

    func text(_ name: String) throws -> String? {
        try json(name).map { value in
            guard let text = value.string else { throw Self.wrong(name, "a string") }
            return text
        }
    }

    func needText(_ name: String) throws -> String {
        guard let text = try text(name) else { throw Self.missing(name) }
        return text
    }

    func integer(_ name: String, _ range: ClosedRange<Int64>) throws -> Int64? {
        try json(name).map { value in
            guard let number = value.integer, range.contains(number) else {
                throw Self.wrong(name, "a whole number from \(range.lowerBound) to \(range.upperBound)")
            }
            return number
        }
    }

    /// Seconds, a fraction allowed.
    func seconds(_ name: String) throws -> Double? {
        try json(name).map { value in
            guard let number = value.double, number >= 0, number.isFinite else {
                throw Self.wrong(name, "a number of seconds")
            }
            return number
        }
    }

    func flag(_ name: String) throws -> Bool {
        guard let value = json(name) else { return false }
        guard let flag = value.bool else { throw Self.wrong(name, "true or false") }
        return flag
    }

    /// How many rows a list shows: 100 unless told, at most 1 000.
    func limit(unlessTold usual: Int = 100) throws -> Int { try integer("limit", 1...1000).map { Int($0) } ?? usual }

    static func missing(_ name: String) -> RPCError {
        .invalidParams("parameter \(name) is missing", reason: "missing-parameter")
    }

    static func wrong(_ name: String, _ expected: String) -> RPCError {
        .invalidParams("parameter \(name) is not \(expected)", reason: "bad-parameter")
    }
}
