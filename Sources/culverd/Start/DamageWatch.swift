import Records
import Store

/// Files and rows that were found damaged: counted, logged, and one event for all of a turn.
@MainActor final class DamageWatch {
    /// Since the start.
    private(set) var count = 0
    private let loop: Loop

    init(loop: Loop) {
        self.loop = loop
    }

    /// What was found before the first turn; the caller says it.
    func begin() -> [String] {
        let damages = loop.directory.takeDamages() + (loop.store.damage.map { [$0] } ?? [])
        count += damages.count
        return damages
    }

    /// Called after every turn.
    func look() {
        let damages = loop.directory.takeDamages() + loop.store.takeDamages()
        guard !damages.isEmpty else { return }
        count += damages.count
        for damage in damages { loop.log(.error, damage) }
        loop.add(.chore { turn in try Self.note(damages, in: &turn) })
    }

    /// In one event: several of one minute would be taken for the same.
    static func note(_ damages: [String], in turn: inout Turn) throws {
        guard !damages.isEmpty else { return }
        let rest = damages.count > 16 ? ["and \(damages.count - 16) more"] : []
        try turn.note(
            .disk, level: .error, text: (damages.prefix(16) + rest).joined(separator: "; "), reason: "damaged-file")
    }
}
