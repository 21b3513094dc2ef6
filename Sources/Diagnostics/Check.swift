package import Format

/// One thing that was looked at, how it is, and what cures it (culver(1), `doctor`).
package struct Check: Sendable, Equatable {
    package enum Result: String, Sendable, Comparable {
        case ok, warn, fail

        package static func < (left: Result, right: Result) -> Bool { left.rank < right.rank }

        /// The exit code.
        package var rank: Int32 {
            switch self {
            case .ok: 0
            case .warn: 1
            case .fail: 2
            }
        }
    }

    /// A stable word: what was looked at.
    package var name: String
    package var result: Result
    package var text: String
    /// The exact cure: a command, or a line of a configuration.
    package var hint: String?

    package init(_ name: String, _ result: Result, _ text: String, hint: String? = nil) {
        self.name = name
        self.result = result
        self.text = text
        self.hint = hint
    }

    package var json: JSON {
        var object: JSONObject = [
            "name": .string(name), "result": .string(result.rawValue), "text": .string(text),
        ]
        object["hint"] = hint.map(JSON.string)
        return .object(object)
    }

    /// `nil` for what is no check.
    package init?(_ json: JSON) {
        guard let name = json["name"]?.string, let result = json["result"]?.string.flatMap(Result.init),
            let text = json["text"]?.string
        else { return nil }
        self.init(name, result, text, hint: json["hint"]?.string)
    }
}

extension [Check] {
    package var worst: Check.Result { map(\.result).max() ?? .ok }

    /// `{"checks": […], "worst": …}`
    package var json: JSON { ["checks": .array(map(\.json)), "worst": .string(worst.rawValue)] }
}
