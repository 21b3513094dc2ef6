package import Store

/// What `doctor` finds in a state directory, with or without a daemon. Reads alone, but for owners and modes when it
/// `mends`. Slow: it checks keys and looks the database through. Any thread may run it.
package struct StateDiagnosis: Sendable {
    private let path: String
    /// Carry the cures out, of owners and modes alone.
    private let mends: Bool
    /// A daemon works in this directory.
    private let isInUse: Bool
    /// Seconds since 1970; `nil` while the clock is unset.
    private let time: Double?
    private let audit: AuditMarks?

    package init(of path: String, mends: Bool, isInUse: Bool, time: Double?, audit: AuditMarks? = nil) {
        self.path = path
        self.mends = mends
        self.isInUse = isInUse
        self.time = time
        self.audit = audit
    }

    package func checks() -> [Check] {
        let inspection: Inspection
        let path: String
        do throws(FileError) {
            path = try StateDirectory.resolved(self.path)
            inspection = try Inspection(of: path, mends: mends)
        } catch {
            return [Check("state", .fail, error.description, hint: "sudo culver doctor --state \(self.path)")]
        }
        return PermissionChecks(inspection, of: path).checks + IdentityFiles.checks(in: path, at: time)
            + DiskChecks(path: path, isInUse: isInUse).checks + auditCheck(in: path)
    }

    /// Nothing where nobody has called.
    private func auditCheck(in path: String) -> [Check] {
        let (lines, fault) = AuditFile.check(in: path, against: audit)
        if let fault {
            let hint = "compare \(path)/\(StatePath.audit) with a copy; somebody has changed it"
            return [Check("calls", .fail, "the audit of calls is broken: \(fault)", hint: hint)]
        }
        return lines == 0
            ? [] : [Check("calls", .ok, "the audit of calls has \(lines) lines, and their chain is whole")]
    }
}
