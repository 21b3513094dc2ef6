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
    /// The link is one end of a bridge; `nil` for all others.
    package var bridging: Bridging?

    /// How a bridge uses a broker. Messages come as `.delivered`, retained ones as such, and the link's own do not come
    /// back (both MQTT 5). What comes with QoS 1 or 2 is acknowledged when something is written, which the owner may
    /// suspend until it is safe.
    package struct Bridging: Sendable, Equatable {
        /// The value of a user property `culver` of all that is published (MQTT 5).
        package var mark: String
        /// What stands retained when the link subscribes is not wanted (MQTT 5).
        package var skipsRetained: Bool

        package init(mark: String, skipsRetained: Bool = false) {
            self.mark = mark
            self.skipsRetained = skipsRetained
        }
    }

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

/// What a link has learnt of its broker and goes on with after a restart of the program.
///
/// Times are the board's seconds since boot (`KernelClock.boottime`); a moment that has passed means nothing any more.
package struct BrokerKnowledge: Sendable, Equatable {
    /// It has answered MQTT 5. When it is silent later it hangs or restarts, and is not taken for an older one.
    package var speaksFive = false
    /// It answers 3.1.1 and not MQTT 5; until when MQTT 5 is not offered again.
    package var olderUntil: Double?
    /// It lets the link in without a will alone; until when none is offered again.
    package var willLeftOutUntil: Double?

    package init() {}
}
