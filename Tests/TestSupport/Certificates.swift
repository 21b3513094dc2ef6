/// A certificate authority made for one test, and what it vouches for.
package final class Certificates: Sendable {
    private let directory: TemporaryDirectory

    /// - Parameter name: the host that the broker's certificate is for, as OpenSSL writes it: `IP:127.0.0.1`,
    ///   `DNS:localhost`.
    package init(for name: String = "IP:127.0.0.1") throws {
        directory = try TemporaryDirectory()
        try openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
            "/CN=culver test authority", "-keyout", directory.file("ca.key"), "-out", authority)
        try sign("broker", subject: "/CN=broker", extensions: "subjectAltName=\(name)")
        try sign("client", subject: "/CN=client", extensions: "extendedKeyUsage=clientAuth")
    }

    package var authority: String { directory.file("ca.pem") }
    package var certificate: String { directory.file("broker.pem") }
    package var key: String { directory.file("broker.key") }
    package var clientCertificate: String { directory.file("client.pem") }
    package var clientKey: String { directory.file("client.key") }

    private func sign(_ name: String, subject: String, extensions: String) throws {
        try openssl(
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", subject, "-keyout",
            directory.file("\(name).key"), "-out", directory.file("\(name).csr"))
        try directory.write("\(name).ext", extensions + "\n")
        try openssl(
            "x509", "-req", "-days", "2", "-in", directory.file("\(name).csr"), "-CA", authority, "-CAkey",
            directory.file("ca.key"), "-CAcreateserial", "-extfile", directory.file("\(name).ext"), "-out",
            directory.file("\(name).pem"))
    }

    private func openssl(_ arguments: String...) throws { try Child.run("/usr/bin/openssl", arguments) }
}
