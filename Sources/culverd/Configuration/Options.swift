/// The command line of `culverd`.
struct Options: Sendable, Equatable {
    static let usage = """
        usage: culverd [--config FILE] [--state DIR] [--socket PATH] [--user] [--check] [--version]

          --config FILE  read FILE and FILE.d/*.conf instead of /etc/culver/culver.conf
          --state DIR    keep keys and messages in DIR
          --socket PATH  listen on PATH
          --user         use the directories of the user instead of the system's
          --check        read the configuration, say what is wrong with it, and end
          --version      print the version and end
          --help         print this and end
        """

    var config: String?
    var state: String?
    var socket: String?
    var isUser = false
    var isCheck = false
    var isVersion = false
    var isHelp = false

    init() {}

    /// `arguments` without the program's name. A value follows its option, or `=`. Fails with words for exit code 64.
    init(_ arguments: [String]) throws(InvalidValue) {
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            switch parts[0] {
            case "--config", "--state", "--socket":
                guard let value = parts.count > 1 ? parts[1] : rest.popFirst(), !value.isEmpty else {
                    throw InvalidValue("\(parts[0]) needs a value")
                }
                try set(parts[0], to: value)
            case _ where parts.count > 1 && Self.flags.contains(parts[0]):
                throw InvalidValue("\(parts[0]) takes no value")
            case "--user": isUser = true
            case "--check": isCheck = true
            case "--version": isVersion = true
            case "--help", "-h": isHelp = true
            default: throw InvalidValue("there is no option \(Values.quoted(argument))")
            }
        }
    }

    private static let flags = ["--user", "--check", "--version", "--help", "-h"]

    private mutating func set(_ option: String, to value: String) throws(InvalidValue) {
        switch option {
        case "--config": try Self.setOnce(&config, to: value, by: option)
        case "--state": try Self.setOnce(&state, to: value, by: option)
        default: try Self.setOnce(&socket, to: value, by: option)
        }
    }

    private static func setOnce(_ place: inout String?, to value: String, by option: String) throws(InvalidValue) {
        guard place == nil else { throw InvalidValue("\(option) is given twice") }
        place = value
    }
}
