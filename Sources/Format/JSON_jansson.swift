import CJansson

extension JSON {
    /// Reads one JSON object or array (RFC 8259) and nothing after it. Refuses names that stand twice or hold
    /// NUL, lone surrogates, bad UTF-8, integers beyond 64 bits, and more structure than `limits` allows.
    package init(parsing text: [UInt8], limits: JSONLimits = JSONLimits()) throws(JSONError) {
        if let json = Self.quick(text, limits) {
            self = json
        } else {
            try self.init(slowly: text, limits: limits)
        }
    }

    /// The same by jansson alone, which decides what is refused and says why.
    package init(slowly text: [UInt8], limits: JSONLimits) throws(JSONError) {
        try limits.check(text)
        var failure = json_error_t()
        let flags = Int(JSON_REJECT_DUPLICATES) | Int(JSON_ALLOW_NUL)
        let root = text.withUnsafeBytes { bytes in
            bytes.baseAddress.flatMap {
                json_loadb($0.assumingMemoryBound(to: CChar.self), bytes.count, flags, &failure)
            }
        }
        guard let root else {
            throw .malformed(words(of: &failure), at: Int(failure.position))
        }
        defer { culver_json_release(root) }
        self.init(root)
    }

    package init(parsing text: String, limits: JSONLimits = JSONLimits()) throws(JSONError) {
        try self.init(parsing: Array(text.utf8), limits: limits)
    }

    fileprivate init(_ node: OpaqueNode) {
        switch culver_json_type(node) {
        case JSON_OBJECT: self = .object(JSONObject(distinct: members(of: node)))
        case JSON_ARRAY:
            self = .array((0..<json_array_size(node)).compactMap { json_array_get(node, $0).map { JSON($0) } })
        case JSON_STRING: self = .string(decoded(json_string_value(node), json_string_length(node)))
        case JSON_INTEGER: self = .integer(Int64(json_integer_value(node)))
        case JSON_REAL: self = .number(json_real_value(node))
        case JSON_TRUE: self = .bool(true)
        case JSON_FALSE: self = .bool(false)
        default: self = .null
        }
    }
}

private typealias OpaqueNode = UnsafeMutablePointer<json_t>

private func members(of object: OpaqueNode) -> [(name: String, value: JSON)] {
    var found: [(name: String, value: JSON)] = []
    found.reserveCapacity(json_object_size(object))
    var position = json_object_iter(object)
    while let here = position {
        if let name = json_object_iter_key(here), let value = json_object_iter_value(here) {
            found.append((String(cString: name), JSON(value)))
        }
        position = json_object_iter_next(object, here)
    }
    return found
}

/// By length, not to the first NUL: a text may hold one (wire.md 8.1). jansson has checked the UTF-8.
private func decoded(_ start: UnsafePointer<CChar>?, _ count: Int) -> String {
    guard let start else { return "" }
    return start.withMemoryRebound(to: UInt8.self, capacity: count) {
        String(decoding: UnsafeBufferPointer(start: $0, count: count), as: UTF8.self)
    }
}

private func words(of failure: inout json_error_t) -> String {
    withUnsafeBytes(of: &failure.text) { raw in
        String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
    }
}

/// The library below, as it was loaded.
package enum Jansson {
    package static var version: String { String(cString: jansson_version_str()) }
}

/// Why a text is no JSON that we take. Describes itself in words that may be shown to whoever sent it.
package enum JSONError: Error, Equatable, Sendable {
    case tooDeep(limit: Int)
    case tooManyValues(limit: Int)
    /// The parser's own words, and the byte where it stopped.
    case malformed(String, at: Int)
}

extension JSONError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tooDeep(let limit): "JSON is nested deeper than \(limit)"
        case .tooManyValues(let limit): "JSON has more than \(limit) values"
        case .malformed(let words, let position): "not JSON at byte \(position): \(words)"
        }
    }
}
