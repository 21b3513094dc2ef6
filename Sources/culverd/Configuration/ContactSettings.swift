import Agent
import DIMP
import Format
import Records
import System

/// `[contact NAME]`: a contact that the tool cannot change, gone with the section.
struct ContactSettings: Settings, Sendable, Equatable {
    var name: String
    /// A full ID; empty only until it is set.
    var id = ""

    static let keys = ["id"]

    mutating func set(_ key: String, to value: String) throws(InvalidValue) {
        id = try Values.id(value).text
    }

    var fault: (key: String, words: String)? {
        id.isEmpty ? ("id", "is missing: a contact needs its ID") : nil
    }
}

/// `[call NAME]`: a program that contacts may run.
struct CallSettings: Settings, Sendable, Equatable {
    var name: String
    /// Names or IDs of those that may call it; others may not.
    var allow: [String] = []
    /// Empty where a program on the socket serves it.
    var exec = ""
    /// Seconds.
    var timeout = 60
    /// Bytes.
    var output = 64 << 10
    /// Calls of one caller a minute.
    var rate = 60
    var arguments: [ArgumentRule] = []
    var isStreamed = false

    static let keys = ["allow", "exec", "timeout", "output", "rate", "args", "stream"]

    mutating func set(_ key: String, to value: String) throws(InvalidValue) {
        switch key {
        case "allow":
            var allowed: [String] = []
            for word in Values.list(value) { allowed.append(try Values.nameOrID(word)) }
            allow = allowed
        case "timeout": timeout = try Values.duration(value, in: 1...86_400)
        case "output": output = Int(clamping: try Values.size(value, in: 1 << 10...1 << 20))
        case "rate": rate = try Values.count(value, in: 1...6_000)
        case "args": arguments = try Self.arguments(value)
        case "stream": isStreamed = try Values.flag(value)
        default: exec = try Values.path(value)
        }
    }

    private static func arguments(_ value: String) throws(InvalidValue) -> [ArgumentRule] {
        guard let json = try? JSON(parsing: value) else { throw InvalidValue("is no JSON") }
        do throws(Refusal) {
            return try rules(json)
        } catch {
            throw InvalidValue(error.text)
        }
    }

    /// Arguments with patterns that can be read. Throws what is wrong with them, in words.
    static func rules(_ json: JSON) throws(Refusal) -> [ArgumentRule] {
        let rules = try ArgumentRule.list(json)
        if let bad = rules.lazy.compactMap(\.pattern).first(where: { !Pattern.isGood($0) }) {
            throw Refusal(.badData, "bad-schema", "has a pattern that cannot be read: \(bad)")
        }
        return rules
    }

    var rule: CallRule {
        CallRule(
            command: name,
            allowed: allow.map { word in
                if word == "verified" { return .verified }
                return ID(word).map { .id($0) } ?? .name(word)
            },
            program: exec.isEmpty ? nil : exec, timeout: Double(timeout), output: output, rate: rate,
            arguments: arguments, isStreamed: isStreamed)
    }

    var fault: (key: String, words: String)? {
        if output > 96 << 10, !isStreamed { return ("output", "is more than 96KiB, which takes stream = yes") }
        return allow.isEmpty ? ("allow", "is missing: name who may call") : nil
    }
}
