import CLinux
import Dispatch
import Glibc
import System

/// Many descriptors behind one Dispatch source on the main queue.
///
/// Not a Dispatch source for each: on Linux a source is dropped without a word when its descriptor becomes readable
/// and hung up in the same moment, so the last words of a client that writes and closes at once would be lost.
@MainActor final class Poller {
    private let epoll: Descriptor
    private let source: EpollSource
    private var watches: [UInt64: PolledDescriptor] = [:]
    private var lastToken: UInt64 = 0

    /// `path` is only for the words of the error.
    init(for path: String) throws(ControlError) {
        let number = culver_epoll_create()
        guard number >= 0 else { throw .system(operation: "watch", path: path, errno: errno) }
        epoll = Descriptor(owning: number)
        source = EpollSource(epoll)
        source.ring = { @MainActor [weak self] in self?.take() }
    }

    func watch(_ descriptor: Descriptor) -> PolledDescriptor {
        lastToken += 1
        let watch = PolledDescriptor(descriptor, token: lastToken, poller: self)
        watches[lastToken] = watch
        return watch
    }

    func update(_ watch: PolledDescriptor) {
        guard watches[watch.token] != nil else { return }
        let number = watch.descriptor.number
        _ = culver_epoll_set(epoll.number, number, watch.isReading ? 1 : 0, watch.isWriting ? 1 : 0, watch.token)
    }

    func forget(_ watch: PolledDescriptor) {
        guard watches.removeValue(forKey: watch.token) != nil else { return }
        _ = culver_epoll_remove(epoll.number, watch.descriptor.number)
    }

    func end() {
        source.end()
        watches = [:]
    }

    private func take() {
        let ready = [culver_ready](unsafeUninitializedCapacity: 64) { room, filled in
            filled = max(0, Int(culver_epoll_take(epoll.number, room.baseAddress, 64)))
        }
        for event in ready {
            // One that went away in this same turn is no longer in the list.
            guard let watch = watches[event.token] else { continue }
            watch.act?(
                Ready(isReadable: event.readable != 0, isWritable: event.writable != 0, isGone: event.gone != 0))
        }
    }
}

/// Rings on the main queue when something is ready, until `end()` or its owner's end.
private final class EpollSource {
    var ring: (@MainActor () -> Void)?
    private let source: any DispatchSourceRead

    init(_ epoll: Descriptor) {
        source = DispatchSource.makeReadSource(fileDescriptor: epoll.number, queue: .main)
        source.setEventHandler { [weak self] in
            let ring = self?.ring
            MainActor.assumeIsolated { ring?() }
        }
        // Keeps the descriptor open until Dispatch is done with it.
        source.setCancelHandler { withExtendedLifetime(epoll) {} }
        source.resume()
    }

    deinit {
        source.cancel()
    }

    func end() {
        ring = nil
        source.cancel()
    }
}
