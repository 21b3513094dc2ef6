import Control
import Format
import Records
import Store

/// What the events say of a start, and whether the files are those of another run.
@MainActor struct StartEvents {
    let loop: Loop
    let installation: Installation
    let damages: DamageWatch

    func write() {
        let damages = damages.begin()
        let isForeign = installation.isForeign
        let mark = Hex.encode(installation.mark)
        loop.add(
            .duty { turn in
                guard try turn.ledger.value(.place) != mark else { return }
                if try turn.ledger.value(.place) != nil { try turn.handle(.restored) }
                try turn.ledger.apply(.value(.place, mark))
            })
        loop.add(
            .chore { turn in
                try turn.note(.start, level: .info, text: "culverd \(Release.version) started")
                try DamageWatch.note(damages, in: &turn)
                if isForeign {
                    try turn.note(
                        .clone, level: .warning, text: "the state directory was made on another board",
                        reason: "foreign-board")
                }
                if !turn.now.isClockSet {
                    try turn.note(.clock, level: .warning, text: "the clock is not set", reason: "clock-unset")
                }
            })
        for damage in damages { loop.log(.error, damage) }
        if isForeign { loop.log(.warning, "the state directory was made on another board") }
    }
}
