/// One broker as the configuration has it, and how the daemon's own link to it does.
package struct BrokerFacts: Sendable {
    package var name: String
    /// The section's heading, with its brackets.
    package var section: String
    package var url: String
    /// `nil` for a socket of this machine.
    package var host: String?
    package var port: UInt16?
    package var isEncrypted: Bool
    package var username: String?
    /// What some brokers make of its `topic_root`; `nil` where all take it as it is.
    package var rootDoubt: String?
    /// It has spoken MQTT 5; when it is spoken to by 3.1.1 now, that is for a while.
    package var speaksFive: Bool
    /// Why the daemon's own link is away; `nil` when it stands.
    package var trouble: String?

    package init(
        name: String, section: String, url: String, host: String?, port: UInt16?, isEncrypted: Bool, username: String?,
        rootDoubt: String? = nil, speaksFive: Bool = false, trouble: String?
    ) {
        self.name = name
        self.section = section
        self.url = url
        self.host = host
        self.port = port
        self.isEncrypted = isEncrypted
        self.username = username
        self.rootDoubt = rootDoubt
        self.speaksFive = speaksFive
        self.trouble = trouble
    }

    /// Whether the broker runs on this machine.
    package var isLocal: Bool {
        guard let host else { return true }
        return host == "localhost" || host == "::1" || host.hasPrefix("127.")
    }
}
