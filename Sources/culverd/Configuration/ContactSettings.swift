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
