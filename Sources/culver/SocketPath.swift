import Control
import Format
import Glibc

/// Where the daemon listens: `--socket`, else what the file of `--config` says, else `CULVER_SOCKET`, else the user's
/// own daemon, else the system's (culver(1)).
enum SocketPath {
    static let system = "/run/culver/culver.sock"

    static func find(
        socket: String?, config: String?, environment: (String) -> String?, exists: (String) -> Bool
    ) throws -> String {
        if let socket { return socket }
        if let config, let path = try named(inFile: config) { return path }
        if let path = environment("CULVER_SOCKET"), !path.isEmpty { return path }
        return own(environment, exists) ?? system
    }

    /// Of `culverd --user`, which may have been started in a session or without one, and may be away: whoever has a
    /// state directory of their own does not mean the system's daemon.
    private static func own(_ environment: (String) -> String?, _ exists: (String) -> Bool) -> String? {
        let file = "\(base("XDG_CONFIG_HOME", ".config", environment))/culver/culver.conf"
        if exists(file), let path = try? named(inFile: file) { return path }
        let expected = base("XDG_RUNTIME_DIR", ".cache", environment)
        let places = [expected, "/run/user/\(geteuid())", base(nil, ".cache", environment)]
        let paths = places.map { "\($0)/culver/culver.sock" }
        return paths.first(where: exists) ?? (exists(ownState(environment)) ? paths[0] : nil)
    }

    /// Where `culverd --user` keeps keys and messages.
    static func ownState(_ environment: (String) -> String?) -> String {
        "\(base("XDG_STATE_HOME", ".local/state", environment))/culver"
    }

    /// As the XDG base directory specification has it, and culverd does it: a relative path is none.
    private static func base(_ variable: String?, _ fallback: String, _ environment: (String) -> String?) -> String {
        if let variable, let path = environment(variable), path.hasPrefix("/") { return path }
        return "\(environment("HOME") ?? "")/\(fallback)"
    }

    private static func named(inFile path: String) throws -> String? {
        named(in: String(decoding: try CommandInput.bytes(of: path), as: UTF8.self))
    }

    /// A key of the section `[agent]`. The daemon reads the file for good and says what is wrong with it; here only
    /// this one line counts.
    static func named(_ key: String = "socket", in text: String) -> String? {
        var section = ""
        for line in text.split(whereSeparator: \.isNewline) {
            let line = trimmed(line.split(separator: ";", maxSplits: 1, omittingEmptySubsequences: false)[0])
            if line.hasPrefix("["), line.hasSuffix("]") {
                section = trimmed(line.dropFirst().dropLast())
            } else if section == "agent", let equals = line.firstIndex(of: "="), trimmed(line[..<equals]) == key {
                let value = trimmed(line[line.index(after: equals)...])
                return value.isEmpty ? nil : value
            }
        }
        return nil
    }

    private static func trimmed(_ text: some StringProtocol) -> String {
        let start = text.drop(while: \.isWhitespace)
        return String(start.reversed().drop(while: \.isWhitespace).reversed())
    }
}
