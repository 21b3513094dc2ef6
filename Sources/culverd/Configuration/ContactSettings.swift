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
    /// Empty only until it is set.
    var exec = ""

    static let keys = ["allow", "exec"]

    mutating func set(_ key: String, to value: String) throws(InvalidValue) {
        switch key {
        case "allow":
            var allowed: [String] = []
            for word in Values.list(value) { allowed.append(try Values.nameOrID(word)) }
            allow = allowed
        default: exec = try Values.path(value)
        }
    }

    var fault: (key: String, words: String)? {
        if exec.isEmpty { return ("exec", "is missing: a call needs the program that it runs") }
        return allow.isEmpty ? ("allow", "is missing: name who may call") : nil
    }
}
