import Store

/// What `doctor` finds in a state directory, with or without a daemon. Reads alone, but for owners and modes when it
/// `mends`. Slow: key checks, and the database is looked through. Any thread.
package struct StateDiagnosis: Sendable {
    let path: String
    /// Carry the cures out, of owners and modes alone.
    let mends: Bool
    /// A daemon works in this directory.
    let isInUse: Bool
    /// Seconds since 1970; `nil` while the clock is unset.
    let time: Double?

    package init(of path: String, mends: Bool, isInUse: Bool, time: Double?) {
        self.path = path
        self.mends = mends
        self.isInUse = isInUse
        self.time = time
    }

    package func checks() -> [Check] {
        let inspection: Inspection
        do throws(FileError) {
            inspection = try Inspection(of: path, mends: mends)
        } catch {
            return [Check("state", .fail, error.description, hint: "sudo culver doctor --state \(path)")]
        }
        return permissions(inspection) + aside(inspection) + keys() + [room(), database(), entropy()]
    }
}
