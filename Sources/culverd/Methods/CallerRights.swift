import Control
import DIMP
import Operations

/// Which identities a caller may read and send for, by the grants of `[access]`.
@MainActor struct CallerRights {
    let running: RunningConfiguration
    let loop: Loop
    let first: FirstIdentity

    func role(of request: CheckedCall) -> Role { running.access.role(of: request.call.peer) }

    /// The identities that the caller is limited to in this role; `nil` for no limit.
    func identities(of request: CheckedCall, as role: Role) -> [ID]? {
        running.access.identities(of: request.call.peer, as: role)?.compactMap {
            (try? loop.names.identity($0))?.id.bare
        }
    }

    /// The identity that a call sends from, within what its caller is limited to.
    func sender(of request: CheckedCall) throws -> Identity {
        let text = try request.params.text("from")
        if text == nil, loop.book.facebook.identities.isEmpty, first.isMaking {
            throw RPCError(
                exit: .notNow, reason: "no-identity-yet", message: "the keys of the first identity are being made",
                hint: "try again in some seconds")
        }
        let identity = try loop.names.identity(text)
        try checkMaySend(request, as: identity.id)
        return identity
    }

    /// Whether the caller may know what this identity received.
    func mayRead(_ request: CheckedCall, for id: ID) -> Bool {
        identities(of: request, as: .reader)?.contains(id.bare) ?? true
    }

    func checkMaySend(_ request: CheckedCall, as id: ID) throws {
        guard let allowed = identities(of: request, as: .sender), !allowed.contains(id.bare) else { return }
        throw RPCError(exit: .notPermitted, reason: "not-permitted", message: "you may not send as \(id)")
    }
}

extension Loop {
    /// What daemon and tool do alike with names and identities, at this moment.
    var names: NameLookup { NameLookup(facebook: book.facebook) }
    var identityOperations: IdentityOperations {
        IdentityOperations(facebook: book.facebook, time: clock.now.wall)
    }
    var messageOperations: MessageOperations { MessageOperations(facebook: book.facebook, time: clock.now.wall) }
}
