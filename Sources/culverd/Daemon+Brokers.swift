import Crypto
import DIMP
import Format
import Glibc
import Records
import Store
import Transport

extension Daemon {
    /// Signs our presence, then dials every broker of the configuration.
    func startBrokers() {
        let identities = facebook.identities
        let at = loop.clock.now.wall
        let boot = Hex.encode((try? Random.bytes(8)) ?? [])
        loop.add(.chore { turn in try turn.ledger.apply(.value(key: "presence boot", boot)) })
        pool.run(lane: "presence", { Presence(identities: identities, boot: boot, at: at) }) { [weak self] presence in
            guard let self else { return }
            self.brokers.start(self.settings(), presence: presence)
        }
    }

    /// The client id is ours alone: of this installation on this machine.
    private var clientID: String {
        let machine = Host.read("/etc/machine-id", limit: 64) ?? []
        return "culver-" + Hex.encode(Digest.sha256(installation.nonce + machine).prefix(8))
    }

    private func settings() -> [Brokers.Setting] {
        configuration.brokers.compactMap { section in
            do {
                var options = BrokerOptions(
                    name: section.name, address: try BrokerAddress(url: section.url), clientID: clientID)
                options.username = section.username.map { filled($0) }
                if let file = section.passwordFile { options.password = try password(file) }
                options.caFile = section.caFile.map(Host.credential)
                options.certFile = section.certFile.map(Host.credential)
                options.keyFile = section.keyFile.map(Host.credential)
                options.keepAlive = section.keepAlive
                options.maximumPacket = UInt32(configuration.limits.message + 4096)
                return Brokers.Setting(options: options, topics: Topics(root: section.topicRoot), url: section.url)
            } catch {
                let text = "broker \(section.name) is not used: \(error)"
                log(.error, text)
                loop.add(
                    .chore { turn in
                        try turn.note(.config, .error, text, broker: section.name, reason: "broker-configuration")
                    })
                return nil
            }
        }
    }

    private func filled(_ template: String) -> String {
        let address = facebook.identities.first?.id.address.text ?? ""
        return Host.fill(Host.fill(template, "{address}", address), "{hostname}", Host.name)
    }

    /// The first line of the file, without its end.
    private func password(_ file: String) throws(FileError) -> [UInt8] {
        let path = Host.credential(file)
        guard let bytes = Host.read(path, limit: 4096) else {
            throw FileError("cannot read the password file \(path)")
        }
        return Array(bytes.prefix { $0 != 10 && $0 != 13 })
    }
}
