import System

/// One descriptor under the eyes of a `Poller`, watched for what it says until `end()`.
@MainActor final class PolledDescriptor {
    var act: (@MainActor (Ready) -> Void)?
    var isReading = false { didSet { if isReading != oldValue { poller?.update(self) } } }
    var isWriting = false { didSet { if isWriting != oldValue { poller?.update(self) } } }

    let token: UInt64
    let descriptor: Descriptor
    private weak var poller: Poller?

    init(_ descriptor: Descriptor, token: UInt64, poller: Poller) {
        self.descriptor = descriptor
        self.token = token
        self.poller = poller
    }

    func end() {
        act = nil
        poller?.forget(self)
        poller = nil
    }
}

/// What a watched descriptor is ready for.
struct Ready {
    var isReadable: Bool
    var isWritable: Bool
    /// Both directions are shut, or the descriptor is in error; told whatever it is watched for.
    var isGone: Bool
}
