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
