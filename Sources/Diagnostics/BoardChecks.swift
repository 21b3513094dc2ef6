package import DIMP

/// What a daemon knows of its board without a look at any file: its clock, and whether another board has its keys.
package struct BoardChecks: Sendable {
    private let isClockSet: Bool
    private let twin: ID?
    private let isForeign: Bool
    private let path: String

    /// `twin`: an identity of ours as which another board speaks. `isForeign`: the state directory at `path` was made on
    /// another board.
    package init(isClockSet: Bool, twin: ID?, isForeign: Bool, path: String) {
        self.isClockSet = isClockSet
        self.twin = twin
        self.isForeign = isForeign
        self.path = path
    }

    package var checks: [Check] {
        [Self.clock(isSet: isClockSet, otherwise: ": messages are not dated")] + clones
    }

    /// `otherwise`: what follows from a clock that is not set, behind the words that say so.
    package static func clock(isSet: Bool, otherwise consequence: String = "") -> Check {
        isSet
            ? Check("clock", .ok, "the clock is set")
            : Check(
                "clock", .fail, "the clock is before the day this culver was made\(consequence)",
                hint: "timedatectl set-ntp true")
    }

    private var clones: [Check] {
        var checks: [Check] = []
        if let twin {
            checks.append(
                Check(
                    "clone", .fail, "another board has the keys of \(twin.bare): this one sends and takes nothing",
                    hint: "end culverd on the other board, then here: systemctl restart culver"))
        }
        if isForeign {
            checks.append(
                Check(
                    "clone", .warn, "the state directory was made on another board: the two must not run at once",
                    hint: "once the other one is gone for good: systemctl stop culver culver.socket; rm "
                        + "\(path)/install.json; systemctl start culver.socket culver"))
        }
        return checks
    }
}
