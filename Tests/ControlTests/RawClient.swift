import Format
import Glibc
import System

@testable import Control

/// What `socat - UNIX-CONNECT:…` is: bytes in, lines out, and no idea of JSON-RPC.
final class RawClient: @unchecked Sendable {  // used by one thread at a time
    private let socket: Descriptor
    private var input = LineBuffer()

    init(_ path: String) throws {
        socket = try Socket.connect(to: path)
    }

    /// `false`: the other side hung up.
    @discardableResult func send(_ bytes: [UInt8]) -> Bool {
        var bytes = bytes[...]
        while !bytes.isEmpty {
            guard case .written(let count) = Socket.write(socket, bytes) else { return false }
            bytes = bytes.dropFirst(count)
        }
        return true
    }

    @discardableResult func send(_ text: String) -> Bool { send(Array(text.utf8)) }

    /// Says that nothing more will come.
    func finish() { shutdown(socket.number, Int32(SHUT_WR)) }

    /// The next line; `nil` when the other side hung up.
    func line() -> JSON? {
        while true {
            if let line = input.next() {
                return try? JSON(parsing: line, limits: JSONLimits(depth: 64, values: 1 << 20))
            }
            guard case .bytes(let bytes) = Socket.read(socket, upTo: 1 << 16) else { return nil }
            input.append(bytes)
        }
    }
}
