/// A JSON value as it came over the wire: integers stay integers, names keep their order, text keeps every scalar.
///
/// Compare with `==` for the meaning (the order of names does not count); keep the bytes where a signature covers them.
package enum JSON: Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSON])
    case object(JSONObject)
}

extension JSON {
    /// The member of an object; `nil` for a missing one and for everything that is no object.
    package subscript(name: String) -> JSON? {
        object?[name]
    }

    package var isNull: Bool {
        if case .null = self { true } else { false }
    }

    /// The value of `true` and `false` alone: a number is no boolean, and a boolean no number.
    package var bool: Bool? {
        if case .bool(let value) = self { value } else { nil }
    }

    /// A whole number, also one that was written with a fraction of zero (`7.0`).
    package var integer: Int64? {
        switch self {
        case .integer(let value): value
        case .number(let value): Int64(exactly: value)
        default: nil
        }
    }

    package var double: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }

    /// Seconds since 1970, or a length of time; `nil` for anything else, for what is negative, and for what lies behind
    /// the year 9999: whatever is read as a time fits into 64 bits and into a calendar.
    package var seconds: Double? { double.flatMap { Self.times.contains($0) ? $0 : nil } }

    /// What `seconds` takes.
    package static let times = 0.0...253_402_300_799.0

    package var string: String? {
        if case .string(let value) = self { value } else { nil }
    }

    package var array: [JSON]? {
        if case .array(let value) = self { value } else { nil }
    }

    package var object: JSONObject? {
        if case .object(let value) = self { value } else { nil }
    }
}

extension JSON {
    /// About how many bytes of memory it holds, its own place left out. A value of two bytes may hold sixty.
    package var footprint: Int {
        switch self {
        case .null, .bool, .integer, .number: 0
        case .string(let text): text.utf8.count + Self.allocation
        case .array(let values):
            values.reduce(Self.allocation) { $0 + MemoryLayout<JSON>.stride + $1.footprint }
        case .object(let object): object.footprint
        }
    }

    /// What an array or a text needs beside its elements.
    fileprivate static let allocation = 48
}

extension JSONObject {
    /// As `JSON.footprint`.
    package var footprint: Int {
        members.reduce(JSON.allocation) {
            $0 + MemoryLayout<(name: String, value: JSON)>.stride + JSON.string($1.name).footprint + $1.value.footprint
        }
    }
}

extension Int64 {
    /// A time in whole seconds, without its fraction; 0 for what does not fit.
    package init(wholeSeconds seconds: Double) {
        self = Int64(exactly: seconds.rounded(.down)) ?? 0
    }
}

extension JSON: Equatable {
    /// Equal in meaning: 7 and 7.0 are the same number, and the order of names does not count.
    package static func == (left: JSON, right: JSON) -> Bool {
        switch (left, right) {
        case (.null, .null): true
        case (.bool(let a), .bool(let b)): a == b
        case (.integer(let a), .integer(let b)): a == b
        case (.number(let a), .number(let b)): a == b
        case (.integer(let a), .number(let b)), (.number(let b), .integer(let a)): Int64(exactly: b) == a
        case (.string(let a), .string(let b)): a.isSame(as: b)
        case (.array(let a), .array(let b)): a == b
        case (.object(let a), .object(let b)): a == b
        default: false
        }
    }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByBooleanLiteral, ExpressibleByNilLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    package init(stringLiteral value: String) { self = .string(value) }
    package init(integerLiteral value: Int64) { self = .integer(value) }
    package init(floatLiteral value: Double) { self = .number(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(nilLiteral: ()) { self = .null }
    package init(arrayLiteral elements: JSON...) { self = .array(elements) }
    package init(dictionaryLiteral elements: (String, JSON)...) { self = .object(JSONObject(elements)) }
}
