import Agent
import DIMP

/// What we state of ourselves on every broker, signed before it is needed: the will must be.
struct Presence: Sendable {
    let address: Address
    let online: [UInt8]
    let gone: [UInt8]

    /// Two private-key operations. `boot` is random for each start, `at` in seconds since 1970.
    init?(identities: [Identity], boot: String, at: Double) {
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
