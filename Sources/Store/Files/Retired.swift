package import Format

/// The identities of a state directory have moved elsewhere (`culver backup --final`): a reason not to start, for two
/// boards with the same keys would take each other's messages.
package struct Retired: Error, Sendable, Equatable, CustomStringConvertible {
    /// Which backup it was, as its `backup.json` says.
    package var backup: String
    /// Seconds since 1970.
    package var time: Double
    package var identities: [String]

    package init(backup: String, time: Double, identities: [String]) {
        self.backup = backup
        self.time = time
        self.identities = identities
    }

    package var description: String {
        "the identities of this state directory moved into the backup \(backup) (culver backup --final): restore that "
            + "file where they are to live; culver backup FILE --state DIR writes it once more; "
            + "for a new board use an empty state directory"
    }

    package var json: JSON {
        [
            "backup": .string(backup), "time": .number(time), "identities": .array(identities.map { .string($0) }),
        ]
    }
}

extension StateDirectory {
    /// Whether and when this directory was retired. A damaged mark counts: nobody else makes one.
    package func retirement() throws(FileError) -> Retired? {
        guard try exists(StatePath.retired) else { return nil }
        let json = try read(StatePath.retired).flatMap { try? JSON(parsing: $0) }
        return Retired(
            backup: json?["backup"]?.string ?? "", time: json?["time"]?.double ?? 0,
            identities: json?["identities"]?.array?.compactMap(\.string) ?? [])
    }

    /// On disk when this returns: no start goes on with the directory from here on.
    package func retire(_ retired: Retired) throws(FileError) {
        try write(retired.json.bytes + [UInt8(ascii: "\n")], to: StatePath.retired)
    }

    package func unretire() throws(FileError) { try remove(StatePath.retired) }
}

/// A restore into this directory was interrupted: a reason not to start, for half of it may be missing.
package struct Unfinished: Error, Sendable, Equatable, CustomStringConvertible {
    package var path: String

    package init(path: String) { self.path = path }

    package var description: String {
        "a restore into \(path) was interrupted: run culver restore FILE --state \(path) again"
    }
}

extension StateDirectory {
    /// Throws `Retired` or `Unfinished` for a directory that nobody goes on with as it is.
    package func checkIsLive() throws {
        if try exists(StatePath.restoring) { throw Unfinished(path: path) }
        if let retired = try retirement() { throw retired }
    }
}
