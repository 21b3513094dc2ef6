package import Control
package import Format
package import Records

/// The parameters of a call, by name and type. Throws the RPCError that names what is wrong.
package struct Params {
    private let object: JSONObject

    /// The tool's own, which need no such check.
    package init(_ object: JSONObject) {
        self.object = object
    }

    /// Refuses every parameter that the method does not know, by name.
    package init(_ object: JSONObject, known: [String]) throws {
        for name in object.names where !known.contains(name) {
            throw RPCError.invalidParams("unknown parameter \(name)", reason: "unknown-parameter")
        }
        self.object = object
    }

    package var members: [(name: String, value: JSON)] { object.members }

    /// `null` counts as absent.
    package func json(_ name: String) -> JSON? {
        guard let value = object[name], !value.isNull else { return nil }
        return value
    }

    package func text(_ name: String) throws -> String? {
        try json(name).map { value in
            guard let text = value.string else { throw Self.wrong(name, isNot: "a string") }
            return text
        }
    }

    package func needText(_ name: String) throws -> String {
        guard let text = try text(name) else { throw Self.missing(name) }
        return text
    }

    package func integer(_ name: String, in range: ClosedRange<Int64>) throws -> Int64? {
        try json(name).map { value in
            guard let number = value.integer, range.contains(number) else {
                throw Self.wrong(name, isNot: "a whole number from \(range.lowerBound) to \(range.upperBound)")
            }
            return number
        }
    }

    /// Seconds, a fraction allowed.
    package func seconds(_ name: String) throws -> Double? {
        try json(name).map { value in
            guard let number = value.seconds else {
                throw Self.wrong(name, isNot: "a number of seconds")
            }
            return number
        }
    }

    package func flag(_ name: String) throws -> Bool {
        guard let value = json(name) else { return false }
        guard let flag = value.bool else { throw Self.wrong(name, isNot: "true or false") }
        return flag
    }

    /// How many rows a list shows: 100 unless told, at most 1 000.
    package func limit(unlessTold usual: Int = 100) throws -> Int {
        try integer("limit", in: 1...1000).map { Int($0) } ?? usual
    }

    package static func missing(_ name: String) -> RPCError {
        .invalidParams("parameter \(name) is missing", reason: "missing-parameter")
    }

    package static func wrong(_ name: String, isNot expected: String) -> RPCError {
        .invalidParams("parameter \(name) is not \(expected)", reason: "bad-parameter")
    }
}

extension RPCError {
    /// Why a local program is not served, with the exit code of culver(1) in its number.
    package init(_ refusal: Refusal) {
        let exit: ExitCode =
            switch refusal.kind {
            case .badData: .badData
            case .noInput: .noInput
            case .unknownName: .unknownName
            case .exists: .exists
            case .inputOutput: .io
            case .notNow: .notNow
            case .ended: .undelivered
            case .notPermitted: .notPermitted
            }
        self.init(exit: exit, reason: refusal.reason, message: refusal.text, hint: refusal.hint)
    }
}
