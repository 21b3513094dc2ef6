import Dispatch
import Glibc
import System

/// Watches a connection's socket from the main queue.
///
/// It watches a duplicate of the descriptor, because libmosquitto closes its own whenever it likes and Dispatch must be
/// told before a descriptor goes.
@MainActor
final class SocketWatcher {
    private let descriptor: Descriptor
    private let isNetwork: Bool
    private let reading: any DispatchSourceRead
    private let writing: any DispatchSourceWrite
    private var isCut = false

    /// Whether what has arrived is announced. While it is not, the broker is held back by TCP itself.
    var isReading = true {
        didSet {
            guard isReading != oldValue, !isCut else { return }
            if isReading { reading.resume() } else { reading.suspend() }
        }
    }

    /// Whether room for writing is announced; to be off while there is nothing to write.
    var isWriting = false {
        didSet {
            guard isWriting != oldValue, !isCut else { return }
            if isWriting { writing.resume() } else { writing.suspend() }
        }
    }

    /// - Parameter isNetwork: TCP, not a socket in the file system.
    init(
        watching socket: Int32, isNetwork: Bool, readable: @escaping @MainActor () -> Void,
        writable: @escaping @MainActor () -> Void
    ) throws(Errno) {
        descriptor = try Descriptor(duplicating: socket)
        self.isNetwork = isNetwork
        reading = DispatchSource.makeReadSource(fileDescriptor: descriptor.number, queue: .main)
        writing = DispatchSource.makeWriteSource(fileDescriptor: descriptor.number, queue: .main)
        reading.setEventHandler { MainActor.assumeIsolated { readable() } }
        writing.setEventHandler { MainActor.assumeIsolated { writable() } }
        reading.resume()
    }

    /// The end: nothing is announced any more. The duplicate is closed with this watcher, and not before Dispatch has
    /// let go of it.
    func cut() {
        guard !isCut else { return }
        isCut = true
        reading.setCancelHandler { [descriptor] in withExtendedLifetime(descriptor) {} }
        writing.setCancelHandler { [descriptor] in withExtendedLifetime(descriptor) {} }
        reading.cancel()
        writing.cancel()
        // A suspended source would never get round to its cancel handler.
        if !isReading { reading.resume() }
        if !isWriting { writing.resume() }
    }

    /// The other side has ended the connection, and nothing of it is left to read.
    var isAtEnd: Bool {
        var byte: UInt8 = 0
        let count = recv(descriptor.number, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT))
        return count == 0 || count < 0 && errno != EAGAIN && errno != EINTR
    }

    /// Has the kernel acknowledge now rather than in 40 ms, for which a stock mosquitto waits (Nagle's algorithm): to be
    /// called after every read. A round trip then takes 0.3 ms instead of 44.
    func acknowledge() {
        guard isNetwork else { return }
        var one: Int32 = 1
        setsockopt(descriptor.number, Int32(IPPROTO_TCP), TCP_QUICKACK, &one, socklen_t(MemoryLayout<Int32>.size))
    }

    /// The link has said everything. What still arrives is thrown away, so that closing does not reset the connection
    /// while its last words are on their way.
    func finishWriting() { shutdown(descriptor.number, Int32(SHUT_WR)) }

    /// Reads to the end of what is there: Dispatch does not announce an end that came together with the last bytes.
    ///
    /// - Returns: whether the other side has ended, too.
    func discard() -> Bool {
        var scratch = [UInt8](repeating: 0, count: 16_384)
        for _ in 0..<64 {
            let count = recv(descriptor.number, &scratch, scratch.count, Int32(MSG_DONTWAIT))
            guard count > 0 else { return count == 0 || errno != EAGAIN && errno != EINTR }
        }
        return false
    }
}
