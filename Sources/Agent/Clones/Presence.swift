package import DIMP

/// What this board states of itself on every broker, signed before it is needed: the will must be.
package struct Presence: Sendable {
    /// The first identity's.
    package let address: Address
    package let online: [UInt8]
    package let gone: [UInt8]

    /// Two private-key operations. `boot` is random for each start, `at` in seconds since 1970. `nil` without an identity.
    package init?(identities: [Identity], boot: String, at: Double) {
        let others = Array(identities.dropFirst())
        guard let first = identities.first,
            let online = try? Statement(isOnline: true, at: at, boot: boot).signed(by: first, with: others),
            let gone = try? Statement(isOnline: false, at: at, boot: boot).signed(by: first, with: others)
        else { return nil }
        address = first.id.address
        self.online = online
        self.gone = gone
    }
}
