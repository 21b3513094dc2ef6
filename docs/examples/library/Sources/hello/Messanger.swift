import DIMP

/// Carries bytes between programs: the network of this sample is an array.
protocol MessangerDelegate: AnyObject {
    /// Hands a package to the network; false: it did not take it.
    func sendPackage(_ data: [UInt8]) -> Bool
}

/// Sends contents, and reads what comes.
final class Messanger {
    private let facebook: Facebook
    private let transceiver: Transceiver
    weak var delegate: (any MessangerDelegate)?
    private var lastNumber: Int64 = 0

    init(facebook: Facebook) {
        self.facebook = facebook
        transceiver = Transceiver(barrack: facebook)
    }

    /// A text from one of our users to somebody whose meta or visa we know. `time` is in seconds since 1970.
    func sendText(_ text: String, from sender: ID, to receiver: ID, time: Double) throws -> Bool {
        lastNumber += 1
        return try sendContent(.text(text, sn: lastNumber, time: time), from: sender, to: receiver)
    }

    func sendContent(_ content: Content, from sender: ID, to receiver: ID) throws -> Bool {
        let message = try transceiver.encryptSign(content, from: sender, to: receiver, attach: true)
        return delegate?.sendPackage(message.wire) ?? false
    }

    /// What a package says to this user, if its sender signed it. Whoever is new becomes known by the attached meta.
    func receive(_ data: [UInt8], as user: Identity) throws -> InstantMessage {
        let message = try ReliableMessage(wire: data)
        if facebook.meta(of: message.sender) == nil, let meta = message.attachedMeta {
            _ = facebook.saveMeta(meta, of: message.sender)
        }
        return try transceiver.verifyDecrypt(message, as: user).message
    }
}
