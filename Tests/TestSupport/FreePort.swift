import Glibc
import System

/// A TCP port on 127.0.0.1 that nobody listens on: the kernel chose it a moment ago.
package func freePort() throws -> UInt16 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw TestFailure("no socket: \(Errno.last)") }
    defer { close(descriptor) }
    return try bindToLoopback(descriptor, port: 0)
}

/// Binds a socket to 127.0.0.1 and says on which port.
package func bindToLoopback(_ descriptor: Int32, port: UInt16) throws -> UInt16 {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let code = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(descriptor, $0, size) == 0 ? getsockname(descriptor, $0, &size) : -1
        }
    }
    guard code == 0 else { throw TestFailure("cannot bind: \(Errno.last)") }
    return UInt16(bigEndian: address.sin_port)
}

/// Something that a test needs could not be had.
package struct TestFailure: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}
