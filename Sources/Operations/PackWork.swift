import DIMP
package import Format
package import Records

/// A message to be packed: with all that it needs, so that any thread can do it.
package struct PackWork: Sendable {
    let content: Content
    let sender: ID
    let receiver: ID
    let attach: Bool
    let excerpt: BarrackExcerpt

    /// The answer of `message.pack`: one ReliableMessage, sent nowhere and remembered nowhere. A private-key operation.
    package func packed() throws(Refusal) -> JSON {
        do throws(Transceiver.Failure) {
            return [
                "message": try Transceiver(barrack: excerpt).encryptSign(
                    content, from: sender, to: receiver, attach: attach
                ).json
            ]
        } catch {
            switch error {
            case .noIdentity, .noKey: throw Refusal(.unknownName, "no-key", error.description)
            case .crypto: throw Refusal(.inputOutput, "cannot-seal", error.description)
            }
        }
    }
}
