import Foundation

/// A real mosquitto on a free loopback port, with a temporary directory of its own.
package final class Mosquitto: @unchecked Sendable {
    package struct Options: Sendable {
        /// Sessions and retained messages outlive the broker.
        package var persistence = false
        /// Listens with TLS on `port`.
        package var tls: Certificates?
        package var requiresClientCertificate = false
        /// Name and password of those who may connect; empty: everybody.
        package var users: [(name: String, password: String)] = []
        /// The text of an ACL file.
        package var acl: String?
        /// Listens on `socketPath`, too.
        package var unixSocket = false
        /// Lines for the end of the configuration.
        package var extra: [String] = []

        package init() {}
    }

    package let port: UInt16
    package let directory: TemporaryDirectory
    private let configuration: String
    private var child: Child?

    /// Starts it; it listens when this returns.
    package init(_ options: Options = Options()) async throws {
        directory = try TemporaryDirectory()
        port = try freePort()
        configuration = directory.file("mosquitto.conf")
        try directory.write("mosquitto.conf", try Self.text(options, port: port, in: directory))
        try await start()
    }

    deinit { child?.end(SIGKILL) }

    package var url: String { "mqtt://127.0.0.1:\(port)" }
    package var socketPath: String { directory.file("socket") }

    /// What it has logged.
    package var log: String { (try? String(contentsOfFile: directory.file("log"), encoding: .utf8)) ?? "" }

    /// Ends it cleanly (SIGTERM): it writes its persistent data.
    package func stop() { child?.end(SIGTERM) }

    /// Ends it as a power cut would (SIGKILL).
    package func kill() { child?.end(SIGKILL) }

    /// Starts it again on the same port, with what it had written.
    package func restart() async throws {
        child?.end(SIGTERM)
        try await start()
    }

    private func start() async throws {
        let child = try Child("/usr/sbin/mosquitto", ["-c", configuration], output: directory.file("log"))
        self.child = child
        for _ in 0..<600 {
            guard child.isRunning else { throw TestFailure("mosquitto ended at once: \(log)") }
            if accepts(port) { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw TestFailure("mosquitto does not listen")
    }

    private static func text(_ options: Options, port: UInt16, in directory: TemporaryDirectory) throws -> String {
        // As root it would become somebody who may not write here.
        var lines = ["user root", "log_type all", "log_dest stderr", "set_tcp_nodelay true"]
        lines.append("allow_anonymous \(options.users.isEmpty)")
        if options.persistence {
            lines += ["persistence true", "persistence_location \(directory.path)/", "autosave_interval 1"]
            lines += ["autosave_on_changes true"]
        }
        if !options.users.isEmpty {
            try directory.write("passwords", options.users.map { "\($0.name):\($0.password)\n" }.joined())
            try Child.run("/usr/bin/mosquitto_passwd", ["-U", directory.file("passwords")])
            lines.append("password_file \(directory.file("passwords"))")
        }
        if let acl = options.acl { lines.append("acl_file \(try directory.write("acl", acl))") }
        lines.append("listener \(port) 127.0.0.1")
        if let tls = options.tls {
            lines += ["cafile \(tls.authority)", "certfile \(tls.certificate)", "keyfile \(tls.key)"]
            lines.append("require_certificate \(options.requiresClientCertificate)")
        }
        if options.unixSocket { lines.append("listener 0 \(directory.file("socket"))") }
        return (lines + options.extra).joined(separator: "\n") + "\n"
    }
}

/// Whether somebody listens on a loopback port.
private func accepts(_ port: UInt16) -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        }
    }
}
