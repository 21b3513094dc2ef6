import Agent
import Crypto
import DIMP
import Format
import Glibc
import Records
import Store
import Transport

extension Daemon {
    /// Signs our presence, then dials every broker of the configuration. Called again when identities changed: will and
    /// presence name them, and the user name may.
    ///
    /// The start's number is written down before it is used, as far as the disk works: without one we dial all the same.
    func dialBrokers() {
        let at = began
        let boot = boot
        if !hasDialled {
            loop.take(.started(boot: boot, at: at, last: lastPresence))
            loop.add(
                .chore { turn in
                    try turn.ledger.apply(.value(key: "presence boot", boot))
                    try turn.ledger.apply(.value(key: "presence at", String(at)))
                })
        }
        loop.add(
            .chore { [weak self] turn in
                guard let self else { return }
                let starts = try self.unsteadyStarts()
                let identities = self.facebook.identities
                turn.after { self.dialBrokers(as: identities, boot: boot, at: at, starts: starts) }
            })
    }

    /// After the configuration has changed. One that cannot be used as it is written now stays as it was.
    func changeBrokers() {
        guard hasDialled, !isStopping else { return }
        let usable = settings()
        brokers.change(to: usable, keeping: configuration.brokers.map(\.name))
    }

    private func dialBrokers(as identities: [Identity], boot: String, at: Double, starts: [String: Int]) {
        let work = { @Sendable in Presence(identities: identities, boot: boot, at: at) }
        pool.run(lane: "presence", work) { [weak self] presence in
            guard let self, !self.isStopping else { return }
            self.hasDialled = true
            var settings = self.settings()
            var starts = starts
            for (index, setting) in settings.enumerated() where starts[setting.options.name] ?? 0 >= 2 {
                let name = setting.options.name
                settings[index].options.startsClean = true
                starts[name] = 0
                let text = "two starts ended soon after connecting to broker \(name): its session is begun anew"
                self.log(.warning, text)
                self.loop.add(
                    .chore { turn in try turn.note(.broker, .warning, text, broker: name, reason: "clean-session") })
            }
            self.brokers.start(settings, presence: presence, starts: starts)
        }
    }

    /// The will is what it was signed as before the connection; what is stated while connected may say more.
    func state(under address: Address, on broker: String, answering other: String?) {
        guard let other, let identity = facebook.identity(address) else {
            brokers[broker]?.state(nil, of: address)
            return
        }
        let others = facebook.identities.filter { $0.id.address != address }
        let statement = Statement(isOnline: true, at: began, boot: boot, answers: other)
        pool.run(lane: "presence", { try? statement.signed(by: identity, with: others) }) { [weak self] online in
            self?.brokers[broker]?.state(online, of: address)
        }
    }

    /// How many starts in a row ended within a minute of connecting. Asked once: what comes later is this start.
    private func unsteadyStarts() throws -> [String: Int] {
        guard !hasDialled else { return [:] }
        var starts: [String: Int] = [:]
        for broker in configuration.brokers {
            starts[broker.name] = try store.value(key: Broker.startKey(broker.name)).flatMap { Int($0) }
        }
        return starts
    }

    /// The client id is ours alone: of this installation on this machine.
    private var clientID: String {
        let machine = Host.read("/etc/machine-id", limit: 64) ?? []
        return "culver-" + Hex.encode(Digest.sha256(installation.nonce + machine).prefix(8))
    }

    private func settings() -> [BrokerSetting] {
        configuration.brokers.compactMap { section in
            do {
                return try setting(section)
            } catch {
                let isUsed = brokers[section.name]?.isConnected == true
                let text = "broker \(section.name) \(isUsed ? "stays as it was" : "is not used"): \(error)"
                log(.error, text)
                loop.add(
                    .chore { turn in
                        try turn.note(.config, .error, text, broker: section.name, reason: "broker-configuration")
                    })
                return nil
            }
        }
    }

    /// Throws what is wrong with the section.
    func setting(_ section: BrokerSettings) throws -> BrokerSetting {
        var options = BrokerOptions(
            name: section.name, address: try BrokerAddress(url: section.url), clientID: clientID)
        options.username = section.username.map { filled($0) }
        if let file = section.passwordFile { options.password = try password(file) }
        options.caFile = section.caFile.map(Host.credential)
        options.certFile = section.certFile.map(Host.credential)
        options.keyFile = section.keyFile.map(Host.credential)
        options.keepAlive = section.keepAlive
        options.maximumPacket = UInt32(configuration.limits.message + 4096)
        return BrokerSetting(options: options, topics: Topics(root: section.topicRoot), url: section.url)
    }

    private func filled(_ template: String) -> String {
        let address = facebook.identities.first?.id.address.text ?? ""
        return Host.fill(Host.fill(template, "{address}", address), "{hostname}", Host.name)
    }

    /// The first line of the file, without its end.
    private func password(_ file: String) throws(FileError) -> [UInt8] {
        let path = Host.credential(file)
        guard path.hasPrefix("/") else {
            throw FileError("cannot read the password: nobody handed us a credential \(path)")
        }
        guard let bytes = Host.read(path, limit: 4096) else {
            let words = String(cString: strerror(errno)).lowercased()
            throw FileError("cannot read the password file \(path): \(words)")
        }
        return Array(bytes.prefix { $0 != 10 && $0 != 13 })
    }
}
