/// One thing for a turn to do. `Request` and `Chore` are the world's own: the runner keeps them and never looks inside.
package enum WorkItem<Request, Chore> {
    case input(Input)
    /// The call of a client, which hears the reason when it is given up. A turn does not end between one that is followed
    /// and the next item: they are of one batch.
    case request(Request, isFollowed: Bool = false)
    /// Something of the daemon's own.
    case chore(Chore)
    /// The same, but tried again until it works.
    case duty(Chore)

    /// No client waits for it: what a broker took is repeated or receipted anyway.
    package var isPatient: Bool {
        if case .input(.acknowledged(_, .taken)) = self { true } else { false }
    }

    package var isFollowed: Bool {
        if case .request(_, isFollowed: true) = self { true } else { false }
    }

    /// Bytes of what came in and is held for it.
    var weight: Int {
        if case .input(let input) = self { input.weight } else { 0 }
    }
}

extension Input {
    /// A broker says it once: lost, it would leave publications on their way for ever.
    var isSaidOnce: Bool {
        switch self {
        case .linked, .unlinked, .acknowledged, .presence, .call(.restarted), .call(.said), .call(.left): true
        case .bridge: true
        default: false
        }
    }
}
