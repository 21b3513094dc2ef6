import DIMP

/// A value on its way into SQLite. Texts and blobs go by length, so both may hold NUL.
enum SQLValue {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)
    case blob([UInt8])

    init(_ text: String?) {
        self = text.map { .text($0) } ?? .null
    }

    init(_ id: ID?) {
        self = id.map { .id($0) } ?? .null
    }

    init(_ real: Double?) {
        self = real.map { .real($0) } ?? .null
    }

    init(_ integer: Int64?) {
        self = integer.map { .integer($0) } ?? .null
    }

    init(_ bytes: [UInt8]?) {
        self = bytes.map { .blob($0) } ?? .null
    }

    static func id(_ id: ID) -> SQLValue {
        .text(id.text)
    }

    static func address(_ address: Address) -> SQLValue {
        .text(address.text)
    }

    static func count(_ number: Int) -> SQLValue {
        .integer(Int64(number))
    }

    static func flag(_ isSet: Bool) -> SQLValue {
        .integer(isSet ? 1 : 0)
    }
}
