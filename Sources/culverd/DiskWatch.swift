import Records

/// What log and events say of a disk that fails and works again.
@MainActor struct DiskWatch {
    let loop: Loop

    /// The event can be written only when the disk works again; trying finds out, without anybody asking for something.
    func changed(_ fault: String?) {
        guard let fault else { return loop.log(.info, "the disk works again") }
        loop.log(.error, "nothing is accepted: \(fault)")
        let began = loop.clock.now
        loop.add(
            .duty { turn in
                let time = began.isClockSet ? began.wall : 0
                let text = "nothing was accepted: \(fault)"
                try turn.ledger.apply(
                    .event(EventRecord(time: time, kind: .disk, level: .error, reason: "failed", text: text)))
                try turn.note(.disk, level: .warning, text: "the disk works again", reason: "recovered")
            })
    }
}
