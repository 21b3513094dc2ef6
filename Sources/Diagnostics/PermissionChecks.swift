import Store

/// What an inspection of a state directory found: owners, modes, and damaged files that were moved aside.
struct PermissionChecks {
    private let inspection: Inspection
    private let path: String

    init(_ inspection: Inspection, of path: String) {
        self.inspection = inspection
        self.path = path
    }

    var checks: [Check] { permissions + aside }

    /// Owners and modes: what is wrong, or what was done about it.
    private var permissions: [Check] {
        let all = inspection.flaws
        guard !all.isEmpty else {
            return [Check("permissions", .ok, "\(path) and what is in it is for \(inspection.owner) alone")]
        }
        var checks: [Check] = []
        for kind in [Flaw.Kind.exposed, .writable, .foreign, .closed] {
            let flaws = all.filter { $0.kind == kind }
            checks += flaws.prefix(Self.shown).map(check)
            let rest = flaws.dropFirst(Self.shown)
            guard !rest.isEmpty else { continue }
            let worst = rest.map { check($0).result }.max() ?? .ok
            let count = all.count == Inspection.limit ? "many" : "\(rest.count)"
            checks.append(
                Check(
                    "permissions", worst, "and \(count) more files in which \(Self.words(kind))",
                    hint: worst == .ok ? nil : "sudo culver doctor --fix --state \(path)"))
        }
        return checks
    }

    private static let shown = 8

    private func check(_ flaw: Flaw) -> Check {
        let what = "\(flaw.path): \(Self.words(flaw.kind))"
        switch flaw.outcome {
        case .mended: return Check("permissions", .ok, "mended \(what): \(flaw.cure)")
        case .failed(let words):
            return Check("permissions", result(flaw), "\(what), and it cannot be mended: \(words)", hint: sudo(flaw))
        case nil: return Check("permissions", result(flaw), what, hint: sudo(flaw))
        }
    }

    /// A directory that others may read shows names; the files in it are closed all the same.
    private func result(_ flaw: Flaw) -> Check.Result {
        flaw.kind == .closed || (flaw.kind == .exposed && flaw.isDirectory) ? .warn : .fail
    }

    private func sudo(_ flaw: Flaw) -> String {
        switch flaw.kind {
        case .foreign: "sudo \(flaw.cure)"
        case .closed: "sudo culver doctor --state \(path)"
        case .exposed, .writable: flaw.cure
        }
    }

    private static func words(_ kind: Flaw.Kind) -> String {
        switch kind {
        case .exposed: "others can read it"
        case .writable: "others can change it"
        case .foreign: "it belongs to another user"
        case .closed: "it cannot be looked into as this user"
        }
    }

    private var aside: [Check] {
        inspection.aside.prefix(Self.shown).map {
            Check(
                "damaged", .warn, "\($0) was damaged and moved aside; its place is empty or was filled anew",
                hint: "rm \($0)    # once nothing in it is missed")
        }
    }
}
