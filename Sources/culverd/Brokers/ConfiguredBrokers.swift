import Crypto
import DIMP
import Format
import Glibc
import Records
import Store
import System
import Transport

/// The brokers of the configuration: what they are called, and how each is reached. Reads passwords anew each time.
@MainActor struct ConfiguredBrokers {
    let running: RunningConfiguration
    let loop: Loop
    let brokers: Brokers
    let installation: Installation

    /// Those that are configured, as long as none was dialled.
    var names: [String] {
        brokers.names.isEmpty ? running.configuration.brokers.map(\.name).sorted() : brokers.names
    }

    func url(of broker: String) -> String {
        brokers[broker]?.setting.url ?? running.configuration.brokers.first { $0.name == broker }?.url ?? ""
    }

    /// Those that can be used; what is wrong with the others goes to log and events.
    func settings() -> [BrokerSetting] {
        running.configuration.brokers.compactMap { section in
            do {
                return try setting(of: section)
            } catch {
                let isUsed = brokers[section.name]?.isConnected == true
                let text = "broker \(section.name) \(isUsed ? "stays as it was" : "is not used"): \(error)"
                loop.log(.error, text)
                loop.add(
                    .chore { turn in
                        try turn.note(
                            .config, level: .error, text: text, broker: section.name, reason: "broker-configuration")
                    })
                return nil
            }
        }
    }

    /// Throws what is wrong with the section.
    func setting(of section: BrokerSettings) throws -> BrokerSetting {
        var options = BrokerOptions(
            name: section.name, address: try BrokerAddress(url: section.url), clientID: clientID)
        options.username = section.username.map { filled($0) }
        if let file = section.passwordFile { options.password = try password(file) }
        options.caFile = section.caFile.map(Host.credential)
        options.certFile = section.certFile.map(Host.credential)
        options.keyFile = section.keyFile.map(Host.credential)
        options.keepAlive = section.keepAlive
        options.maximumPacket = UInt32(running.configuration.limits.message + 4096)
        return BrokerSetting(options: options, topics: Topics(root: section.topicRoot), url: section.url)
    }

    /// The client id belongs to this installation on this machine alone.
    private var clientID: String {
        let machine = Host.read("/etc/machine-id", limit: 64) ?? []
        return "culver-" + Hex.encode(Digest.sha256(installation.nonce + machine).prefix(8))
    }

    private func filled(_ template: String) -> String {
        let address = loop.book.facebook.identities.first?.id.address.text ?? ""
        return Host.fill(
            Host.fill(template, word: "{address}", with: address), word: "{hostname}", with: Host.name)
    }

    /// The first line of the file, without its end.
    private func password(_ file: String) throws(FileError) -> [UInt8] {
        let path = Host.credential(file)
        guard path.hasPrefix("/") else {
            throw FileError("cannot read the password: nobody handed us a credential \(path)")
        }
        guard let bytes = Host.read(path, limit: 4096) else {
            let words = Errno.last.words
            throw FileError("cannot read the password file \(path): \(words)")
        }
        return Array(bytes.prefix { $0 != 10 && $0 != 13 })
    }
}
