/// Where a broker listens: `mqtt://host[:port]`, `mqtts://host[:port]` (TLS) or `unix:///path`.
///
/// An IPv6 address stands in brackets. User and password have settings of their own, because a URL ends up in logs.
package struct BrokerAddress: Sendable, Equatable, CustomStringConvertible {
    package enum Endpoint: Sendable, Equatable {
        case network(host: String, port: UInt16)
        case socket(path: String)
    }

    package let place: Endpoint
    package let isEncrypted: Bool

    /// - Throws: `.refused` with the reason.
    package init(url: String) throws(TransportError) {
        guard !url.utf8.contains(0) else { throw .refused("a broker's URL has no NUL") }
        guard let (scheme, rest) = Self.split(url) else {
            throw .refused("a broker's URL begins with mqtt://, mqtts:// or unix://")
        }
        switch scheme.lowercased() {
        case "mqtt":
            isEncrypted = false
            place = try Self.network(rest, defaultPort: 1883)
        case "mqtts":
            isEncrypted = true
            place = try Self.network(rest, defaultPort: 8883)
        case "unix":
            isEncrypted = false
            place = try Self.socket(rest)
        default:
            throw .refused("\(scheme):// is no way to a broker; use mqtt://, mqtts:// or unix://")
        }
    }

    /// The host if it is a name, which may have several addresses.
    var namedHost: String? {
        guard case .network(let host, _) = place, !host.contains(":"), !host.allSatisfy({ $0.isNumber || $0 == "." })
        else { return nil }
        return host
    }

    package var description: String {
        switch place {
        case .network(let host, let port):
            "\(isEncrypted ? "mqtts" : "mqtt")://\(host.contains(":") ? "[\(host)]" : host):\(port)"
        case .socket(let path): "unix://\(path)"
        }
    }

    private static func split(_ url: String) -> (scheme: String, rest: Substring)? {
        guard let colon = url.firstIndex(of: ":"), url[colon...].hasPrefix("://") else { return nil }
        return (String(url[..<colon]), url[url.index(colon, offsetBy: 3)...])
    }

    /// `sun_path` has 108 bytes, the last of them NUL.
    private static func socket(_ path: Substring) throws(TransportError) -> Endpoint {
        guard path.hasPrefix("/") else { throw .refused("unix:// needs an absolute path: unix:///run/mosquitto.sock") }
        guard path.utf8.count <= 107 else { throw .refused("a socket's path has at most 107 bytes") }
        return .socket(path: String(path))
    }

    private static func network(_ rest: Substring, defaultPort: UInt16) throws(TransportError) -> Endpoint {
        let authority = rest.hasSuffix("/") ? rest.dropLast() : rest
        guard !authority.contains("@") else {
            throw .refused("user and password do not belong in the URL; set username and password_file")
        }
        guard !authority.contains(where: { "/?#".contains($0) || $0.isWhitespace }) else {
            throw .refused("a broker's URL ends after host and port")
        }
        let (host, port) = try hostAndPort(authority)
        guard !host.isEmpty else { throw .refused("the broker's URL names no host") }
        guard let port else { return .network(host: host, port: defaultPort) }
        guard let number = UInt16(port), number > 0, port.allSatisfy(\.isNumber) else {
            throw .refused("\(port) is no port; a port is a number from 1 to 65535")
        }
        return .network(host: host, port: number)
    }

    private static func hostAndPort(_ authority: Substring) throws(TransportError) -> (String, Substring?) {
        guard authority.hasPrefix("[") else {
            let parts = authority.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count <= 2 else { throw .refused("an IPv6 address stands in brackets: mqtt://[::1]:1883") }
            return (String(parts.first ?? ""), parts.count == 2 ? parts[1] : nil)
        }
        guard let end = authority.firstIndex(of: "]") else { throw .refused("the bracket is not closed") }
        let host = authority[authority.index(after: authority.startIndex)..<end]
        let after = authority[authority.index(after: end)...]
        guard host.contains(":"), host.allSatisfy({ $0.isHexDigit || ":.%".contains($0) || $0.isASCII && $0.isLetter })
        else { throw .refused("only an IPv6 address stands in brackets") }
        if after.isEmpty { return (String(host), nil) }
        guard after.hasPrefix(":") else { throw .refused("after the bracket comes a colon and the port") }
        return (String(host), after.dropFirst())
    }
}
