/// `[files]`; sizes are bytes. How large one file may be stands in `[limits]`.
struct FileSettings: Settings, Sendable, Equatable {
    /// What is not larger goes inside its message. A message has to take it twice in Base64.
    var inline = 64 << 10
    /// What all files take that come and go in pieces.
    var quota: Int64 = 256 << 20
    /// The directory in which files appear that came; `nil` for none.
    var inbox: String?

    /// What brings files to software that takes none in pieces, and fetches its files; `nil` for nothing.
    var upload: String?
    var download: String?

    private static let greatestQuota: Int64 = 1 << 40

    static let keys = ["inline", "quota", "inbox", "upload", "download"]

    mutating func set(_ key: String, to value: String) throws(InvalidValue) {
        switch key {
        case "inline": inline = Int(clamping: try Values.size(value, in: 0...512 << 10))
        case "quota": quota = try Values.size(value, in: 0...Self.greatestQuota)
        case "inbox": inbox = try Values.optionalPath(value)
        case "upload": upload = try Values.optionalPath(value)
        default: download = try Values.optionalPath(value)
        }
    }
}
