import Agent
import Crypto
import DIMP
import Format
import Records
import Store

/// States on every broker which identities this board has and since when it runs. Will and presence are signed before
/// a broker is dialled, so dialling is done here.
@MainActor final class BrokerPresence {
    private let loop: Loop
    private let pool: Pool
    private let brokers: Brokers
    private let configured: ConfiguredBrokers
    /// Random for each start: which of two statements of our presence is of the same run.
    private let boot: String
    private let last: Double
    /// When this start began, as it is stated to others, in seconds since 1970. A thousandth after the last at least: by
    /// a whole second two copies that are started soon would begin at the same time.
    private lazy var began = max(loop.clock.now.wall, last + 0.001)
    private(set) var hasDialled = false
    private var isStopping = false

    /// `last`: when the start before this one began, as it was stated.
    init(loop: Loop, pool: Pool, brokers: Brokers, configured: ConfiguredBrokers, last: Double) throws(CryptoError) {
        self.loop = loop
        self.pool = pool
        self.brokers = brokers
        self.configured = configured
        self.last = last
        boot = Hex.encode(try Random.bytes(8))
    }

    /// Signs our presence, then dials every broker of the configuration. Called again when identities changed: will and
    /// presence name them, and the user name may.
    ///
    /// The start's number is written down before it is used, as far as the disk works: without one we dial all the same.
    func dial() {
        let at = began
        let boot = boot
        if !hasDialled {
            loop.take(.started(boot: boot, at: at, last: last))
            loop.add(
                .chore { turn in
                    try turn.ledger.apply(.value(.presenceBoot, boot))
                    try turn.ledger.apply(.value(.presenceAt, String(at)))
                })
        }
        loop.add(
            .chore { [weak self] turn in
                guard let self else { return }
                var memories = try self.memories()
                // Quick ends are asked for once: what comes later is this start.
                if self.hasDialled { for name in memories.keys { memories[name]?.starts = 0 } }
                let identities = self.loop.book.facebook.identities
                turn.after { [memories] in self.dial(as: identities, at: at, memories: memories) }
            })
    }

    /// After the configuration has changed. One that cannot be used as it is written now stays as it was.
    func change() {
        guard hasDialled, !isStopping else { return }
        let usable = configured.settings()
        let kept = configured.running.configuration.brokers.map(\.name)
        loop.add(
            .chore { [weak self] turn in
                guard let self else { return }
                let memories = try self.memories()
                turn.after {
                    if !self.isStopping { self.brokers.change(to: usable, keeping: kept, memories: memories) }
                }
            })
    }

    /// The daemon ends: nothing is dialled any more.
    func stop() { isStopping = true }

    private func dial(as identities: [Identity], at: Double, memories: [String: BrokerMemory]) {
        let work = { @Sendable [boot] in Presence(identities: identities, boot: boot, at: at) }
        pool.run(lane: "presence", work) { [weak self] presence in
            guard let self, !self.isStopping else { return }
            self.hasDialled = true
            var settings = self.configured.settings()
            var memories = memories
            for (index, setting) in settings.enumerated() where memories[setting.options.name]?.starts ?? 0 >= 2 {
                let name = setting.options.name
                settings[index].options.startsClean = true
                memories[name]?.beginAnew(at: setting.options.address, wall: self.loop.clock.now.wall)
                let knowledge = memories[name]?.knowledge
                let text =
                    "two starts ended soon after connecting to broker \(name): its session is begun anew, and MQTT 5 is "
                    + "not spoken with it for a day"
                self.loop.log(.warning, text)
                self.loop.add(
                    .chore { turn in
                        try turn.ledger.apply(.value(.knowledge(broker: name), knowledge))
                        try turn.note(.broker, level: .warning, text: text, broker: name, reason: "clean-session")
                    })
            }
            // The messenger states it on each connection that follows.
            self.loop.take(.presence(presence))
            self.brokers.start(settings, presence: presence, memories: memories)
        }
    }

    private func memories() throws -> [String: BrokerMemory] {
        var memories: [String: BrokerMemory] = [:]
        for broker in configured.running.configuration.brokers {
            memories[broker.name] = try BrokerMemory(of: broker.name, in: loop.store)
        }
        return memories
    }
}
