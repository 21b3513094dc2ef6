import CMosquitto
import Glibc

/// How long the certificates of an established TLS hold, in days; negative when over. OpenSSL is asked, which
/// libmosquitto has loaded: its functions are looked up rather than linked.
package struct Validity: Sendable, Equatable {
    /// The broker's; `nil` when it cannot be told.
    package var broker: Int?
    /// The link's own; `nil` when it has none.
    package var own: Int?

    init(_ ssl: UnsafeMutableRawPointer) {
        broker = Self.peer(ssl)
        own = Self.call("SSL_get_certificate", ssl).flatMap(Self.days)
    }

    /// OpenSSL 3 has another name for it; the caller frees what it returns.
    private static func peer(_ ssl: UnsafeMutableRawPointer) -> Int? {
        let found = call("SSL_get1_peer_certificate", ssl) ?? call("SSL_get_peer_certificate", ssl)
        guard let found else { return nil }
        defer {
            if let free = dlsym(nil, "X509_free") {
                unsafeBitCast(free, to: (@convention(c) (UnsafeMutableRawPointer) -> Void).self)(found)
            }
        }
        return days(found)
    }

    private static func days(_ certificate: UnsafeMutableRawPointer) -> Int? {
        guard let end = call("X509_get0_notAfter", certificate), let symbol = dlsym(nil, "ASN1_TIME_diff")
        else { return nil }
        typealias Difference =
            @convention(c) (
                UnsafeMutablePointer<Int32>, UnsafeMutablePointer<Int32>, UnsafeMutableRawPointer?,
                UnsafeMutableRawPointer
            ) -> Int32
        var (days, seconds): (Int32, Int32) = (0, 0)
        guard unsafeBitCast(symbol, to: Difference.self)(&days, &seconds, nil, end) == 1 else { return nil }
        return Int(days)
    }

    private static func call(_ name: String, _ object: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
        guard let symbol = dlsym(nil, name) else { return nil }
        typealias Getter = @convention(c) (UnsafeMutableRawPointer) -> UnsafeMutableRawPointer?
        return unsafeBitCast(symbol, to: Getter.self)(object)
    }
}
