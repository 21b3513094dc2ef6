/// How much structure a text may have (culver.conf(5)). Counted on the bytes before the parser sees them: a
/// megabyte of `{}` would cost the parser eighty.
package struct JSONLimits: Sendable, Equatable {
    package var depth: Int
    package var values: Int

    package init(depth: Int = 32, values: Int = 16_384) {
        self.depth = depth
        self.values = values
    }

    /// Counts brackets and commas outside strings; a text that is no JSON may pass, the parser refuses it later.
    func check(_ text: [UInt8]) throws(JSONError) {
        var open = 0
        var seen = 1
        var inString = false
        var escaped = false
        for byte in text {
            if inString {
                if escaped {
                    escaped = false
                } else if byte == UInt8(ascii: "\\") {
                    escaped = true
                } else if byte == UInt8(ascii: "\"") {
                    inString = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): inString = true
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                open += 1
                seen += 1
                if open > depth { throw .tooDeep(limit: depth) }
            case UInt8(ascii: "}"), UInt8(ascii: "]"): open -= 1
            case UInt8(ascii: ","): seen += 1
            default: break
            }
            if seen > values { throw .tooManyValues(limit: values) }
        }
    }
}
