/// How to reach one broker and how to behave there.
package struct BrokerOptions: Sendable {
    /// The section of the configuration: `default`, `lan`.
    package var name: String
    package var address: BrokerAddress
    package var clientID: String
    package var username: String?
    /// The first line of this file is the password: any bytes but NUL, which libmosquitto cannot carry. Each connection
    /// reads it anew, as it does the next three.
    package var passwordFile: String?
    /// Certificates that may vouch for the broker (PEM). Absent: those of the system in `/etc/ssl/certs`.
    package var caFile: String?
    /// The link's own certificate and its key (PEM, not encrypted): both or neither.
    package var certFile: String?
    package var keyFile: String?
    /// Seconds, 5 to 65535.
    package var keepAlive: Int
    package var will: Will?
    /// Seconds that the broker keeps the session after the link has ended (MQTT 5).
    package var sessionExpiry: UInt32
    /// Bytes. Announced in MQTT 5; a longer message that arrives all the same is dropped and counted.
    package var maximumPacket: UInt32
    /// Forget the broker's session, once, at the first connection that succeeds.
    package var startsClean: Bool
    /// What an earlier link has learnt of this broker.
    package var knowledge = BrokerKnowledge()

    package init(
        name: String = "default",
        address: BrokerAddress,
        clientID: String,
        username: String? = nil,
        passwordFile: String? = nil,
        caFile: String? = nil,
        certFile: String? = nil,
        keyFile: String? = nil,
        keepAlive: Int = 60,
        will: Will? = nil,
        sessionExpiry: UInt32 = 31 * 86_400,
        maximumPacket: UInt32 = 1_114_112,
        startsClean: Bool = false
    ) {
        self.name = name
        self.address = address
        self.clientID = clientID
        self.username = username
        self.passwordFile = passwordFile
        self.caFile = caFile
        self.certFile = certFile
        self.keyFile = keyFile
        self.keepAlive = keepAlive
        self.will = will
        self.sessionExpiry = sessionExpiry
        self.maximumPacket = maximumPacket
        self.startsClean = startsClean
    }
}

// Without user and files, wherever it may be printed.
extension BrokerOptions: CustomStringConvertible, CustomReflectable {
    package var description: String { "\(name): \(address) as \(clientID)" }

    package var customMirror: Mirror {
        Mirror(self, children: ["name": name, "address": address, "clientID": clientID])
    }
}
