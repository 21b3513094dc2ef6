import Crypto
import DIMP
import Format
import Glibc
import Records
import Store
import System
import Transport

/// The brokers of the configuration: what they are called, and how each is reached.
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

    /// Those that are to be dialled. One that is connected, and whose files cannot be read now, stays as it was; log and
    /// events say so. Any other is dialled all the same: each attempt reads the files anew, and says what is wrong.
    func settings() -> [BrokerSetting] {
        running.configuration.brokers.compactMap { section in
            do {
                let setting = try setting(of: section)
                if brokers[section.name]?.isConnected == true { _ = try setting.options.fileContents() }
                return setting
            } catch {
                let text = "broker \(section.name) stays as it was: \(error)"
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

    /// Whether a section of this name can be used as it is written now.
    func isUsable(_ broker: String) -> Bool {
        guard let section = running.configuration.brokers.first(where: { $0.name == broker }) else { return true }
        return (try? setting(of: section).options.fileContents()) != nil
    }

    /// Throws what is wrong with the section.
    func setting(of section: BrokerSettings) throws(TransportError) -> BrokerSetting {
        var options = try section.options(clientID: clientID(of: section.name))
        options.username = section.username.map { filled($0) }
        options.maximumPacket = UInt32(running.configuration.limits.message + 4096)
        return BrokerSetting(
            options: options, topics: Topics(root: section.topicRoot), url: section.url,
            hearsBroadcasts: section.broadcasts)
    }

    /// How the local broker of a bridge is reached. It keeps for a day what comes while this daemon is away.
    func options(of bridge: BridgeSettings) throws(TransportError) -> BrokerOptions {
        let name = "bridge \(bridge.name)"
        var options = try bridge.local.options(clientID: clientID(of: name))
        options.name = name
        options.username = bridge.local.username.map { filled($0) }
        options.sessionExpiry = 86_400
        options.bridging = BrokerOptions.Bridging(mark: bridge.peer, skipsRetained: bridge.retain == .never)
        return options
    }

    /// The client id belongs to this section of this installation on this machine alone: two sections may reach one broker.
    private func clientID(of section: String) -> String {
        let machine = Host.read("/etc/machine-id", limit: 64) ?? []
        let name = section == BrokerSettings.plain ? [] : Array(section.utf8)
        return "culver-" + Hex.encode(Digest.sha256(installation.nonce + machine + name).prefix(8))
    }

    private func filled(_ template: String) -> String {
        let address = loop.book.facebook.identities.first?.id.address.text ?? ""
        return Host.fill(
            Host.fill(template, word: "{address}", with: address), word: "{hostname}", with: Host.name)
    }
}
