import Foundation
import TestSupport

/// A broker of a few lines: what it does with each connection is a closure on a thread of its own.
final class FakeBroker: Sendable {
    let port: UInt16
    private let listener: Int32

    /// - Parameter talk: gets every connection, numbered from 0; afterwards it is closed.
    init(_ talk: @escaping @Sendable (FakeConnection, Int) -> Void) throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        port = try bindToLoopback(listener, port: 0)
        guard listen(listener, 16) == 0 else { throw TestFailure("cannot listen") }
        self.listener = listener
        Thread {
            var number = 0
            while case let descriptor = accept(listener, nil, nil), descriptor >= 0 {
                let (connection, turn) = (FakeConnection(descriptor), number)
                Thread {
                    talk(connection, turn)
                    connection.close()
                }.start()
                number += 1
            }
            close(listener)
        }.start()
    }

    /// `accept` then fails, and its thread ends.
    deinit { shutdown(listener, Int32(SHUT_RDWR)) }

    var url: String { "mqtt://127.0.0.1:\(port)" }
}

/// One connection of a fake broker, with what MQTT it needs.
struct FakeConnection: Sendable {
    private let descriptor: Int32

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    func close() { Foundation.close(descriptor) }

    /// The next `close` resets the connection.
    func resetOnClose() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }

    func send(_ bytes: [UInt8]) {
        _ = bytes.withUnsafeBytes { Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }

    /// The next packet: its first byte and what comes after the length; `nil` at the end.
    func packet() -> (head: UInt8, body: [UInt8])? {
        guard let head = bytes(1)?.first else { return nil }
        var (length, shift) = (0, 0)
        while let byte = bytes(1)?.first {
            length |= Int(byte & 0x7f) << shift
            shift += 7
            if byte < 0x80 { return bytes(length).map { (head, $0) } }
            if shift > 21 { return nil }
        }
        return nil
    }

    /// Reads CONNECT. Its protocol level is 4 for MQTT 3.1.1 and 5 for MQTT 5.
    func level() -> UInt8? {
        guard let (head, body) = packet(), head == 0x10, body.count > 6 else { return nil }
        return body[6]
    }

    /// Reads, whatever it is, until the other side ends.
    func drain() {
        while bytes(1) != nil {}
    }

    private func bytes(_ count: Int) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let got = buffer.withUnsafeMutableBytes {
                recv(descriptor, $0.baseAddress?.advanced(by: filled), count - filled, 0)
            }
            guard got > 0 else { return nil }
            filled += got
        }
        return buffer
    }
}
