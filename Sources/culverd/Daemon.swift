import Agent
import Control
import Crypto
import Desk
import DIMP
import Format
import Glibc
import Records
import Store
import Transport

/// The wiring: who there is, and who talks to whom.
///
///     Server ──calls──▶ Loop ──inputs──▶ Messenger ──effects──▶ Brokers, Pool, Server
///     Brokers ─events─▶ Loop        Pool ─results─▶ Loop
@MainActor final class Daemon {
    var configuration: Configuration
    let options: Options
    let environment: [String: String]
    let loop: Loop
    let pool: Pool
    let brokers: Brokers
    let lock: DirectoryLock
    let installation: Installation
    let consumers: Consumers
    private(set) var server: Server?
    var access: Access
    var log: Log { loop.log }
    let started = Clock.read(CLOCK_BOOTTIME)

    /// Calls that wait for the messenger's answer, by token.
    var answers: [UInt64: @MainActor (Answer) -> Void] = [:]
    private var lastToken: UInt64 = 0
    /// Who waits for an outgoing message to reach a state, and who sent it.
    var waiters: [Waiter] = []
    var senders: [String: ConnectionID] = [:]
    var watchers: [ConnectionID: EventWatcher] = [:]

    var facebook: Facebook { loop.book.facebook }
    var store: MessageStore { loop.store }

    /// Everything but the outside: state directory, its lock, keys, messages. Throws what stops a daemon.
    init(_ configuration: Configuration, _ options: Options, _ environment: [String: String]) throws {
        self.configuration = configuration
        self.options = options
        self.environment = environment
        let directory = try StateDirectory(configuration.agent.state)
        lock = try directory.lock()
        if let exposed = try directory.exposedKeys().first { throw exposed }
        _ = try directory.sweep()
        installation = try directory.installation()
        let store = try MessageStore(
            path: "\(configuration.agent.state)/\(Place.messages)", limits: configuration.storeLimits)
        let clock = try Clock(store)
        let facebook = try Facebook(directory, time: clock.now.wall)
        let book = Book(facebook: facebook, keys: KeyStore(directory))
        let log = Log(level: Log.Level(configuration.agent.log))
        let messenger = Messenger(
            book: book, ledger: store, policy: configuration.policy,
            random: {
                var generator = SystemRandomNumberGenerator()
                return generator.next()
            })
        loop = Loop(store: store, book: book, directory: directory, clock: clock, messenger: messenger, log: log)
        pool = Pool(width: Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        brokers = Brokers(loop: loop, pool: pool)
        access = Access(configuration.access)
        consumers = try Consumers(store: store)
    }

    /// Opens the socket and begins. The brokers are dialled afterwards: nobody waits for them.
    func start() throws {
        consumers.notify = { [weak self] connection, method, params in
            self?.server?.notify(connection, method: method, params: params) ?? false
        }
        consumers.name = { [weak self] id in self?.desk.name(of: id) }
        loop.perform = { [weak self] in self?.perform($0) }
        loop.onNews = { [weak self] happenings, hasArrived in self?.tell(happenings, hasArrived) }
        loop.onTurn = { [weak self] in
            self?.brokers.relieve()
            self?.pump()
        }
        loop.onDisk = { [weak self] fault in self?.noteDisk(fault) }
        let server = try Server(
            path: configuration.agent.socket, mode: 0o660, group: Names.group("culver"),
            limits: ControlLimits(configuration.limits),
            onCall: { [weak self] in self?.answer($0) }, onClose: { [weak self] in self?.disconnected($0) })
        // Not at once: the store may be busy with a commit.
        server.onRoom = { [weak self] _ in self?.loop.wake() }
        self.server = server
        noteStart()
        declareContacts()
        if facebook.identities.isEmpty { makeFirstIdentity() }
        startBrokers()
        log(.info, "culverd \(Version.text) is ready at \(configuration.agent.socket)")
    }

    /// Ends cleanly: no new calls, presence gone, everything written, then `action`.
    func stop(_ action: @escaping @MainActor () -> Void) {
        server?.close()
        brokers.stop { [self] in
            loop.finish { [self] in
                try? store.checkpoint()
                action()
            }
        }
    }

    var desk: Desk { Desk(facebook: facebook, time: loop.clock.now.wall) }

    func newToken() -> UInt64 {
        lastToken += 1
        return lastToken
    }

    // MARK: - Effects

    private func perform(_ effect: Effect) {
        switch effect {
        case .answer(let token, let answer): answers.removeValue(forKey: token)?(answer)
        case .changed(let row): tell(row)
        case .work(let job):
            pool.run(lane: job.lane, { job.done() }, then: { [weak self] in self?.loop.take($0) })
        case .publish(let parcel): brokers.publish(parcel)
        case .watch(let address): brokers.watch(address)
        case .leave(let address): brokers.leave(address)
        case .keep(let addresses, let broker): brokers.keep(addresses, on: broker)
        case .rejected(let rejection, let sender):
            log(.debug, "refused a message of \(sender ?? "somebody"): \(rejection)")
        }
    }

    /// Between turns: inbox to consumers.
    private func pump() {
        do {
            try consumers.pump()
        } catch {
            log(.error, "cannot read the inbox: \(error)")
        }
        // The pump may have moved cursors; they are written with a turn of their own.
        if store.hasChanges { loop.add(.chore { _ in }) }
    }

    private func disconnected(_ connection: ConnectionID) {
        consumers.disconnected(connection)
        watchers[connection] = nil
        waiters.removeAll { $0.call.connection == connection }
        senders = senders.filter { $0.value != connection }
    }

    // MARK: - Beginning

    private func noteStart() {
        let damages = loop.directory.takeDamages() + (store.damage.map { [$0] } ?? [])
        let isForeign = installation.isForeign
        loop.add(
            .chore { turn in
                try turn.note(.start, .info, "culverd \(Version.text) started")
                for damage in damages { try turn.note(.disk, .error, damage, reason: "damaged-file") }
                if isForeign {
                    try turn.note(
                        .clone, .warning, "the state directory was made on another board", reason: "foreign-board")
                }
                if !turn.now.isClockSet { try turn.note(.clock, .warning, "the clock is not set", reason: "clock-unset") }
            })
        for damage in damages { log(.error, damage) }
    }

    /// `[contact NAME]` sections are contacts while they stand in the configuration.
    func declareContacts() {
        let declared = configuration.contacts
        loop.add(
            .chore { [weak self] turn in
                guard let book = self?.loop.book else { return }
                let ids = declared.compactMap { ID($0.id) }
                for contact in book.facebook.contacts where contact.isDeclared && !ids.contains(contact.id) {
                    try turn.handle(.forgot(contact.id))
                }
                for section in declared {
                    guard let id = ID(section.id) else { continue }
                    var contact = book.contact(id.address) ?? Contact(id: id.bare, trust: .contact)
                    guard !contact.isDeclared || contact.name != section.name else { continue }
                    contact.name = section.name
                    contact.isDeclared = true
                    if contact.trust == .stranger { contact.trust = .contact }
                    book.learn(.contact(contact))
                    try turn.handle(.befriended(id))
                }
            })
    }

    private func makeFirstIdentity() {
        guard let template = configuration.identity.name else { return }
        let name = Host.label(filling: template)
        guard case .planned(let plan)? = try? desk.plan(
            name: name, type: nil, key: nil, bits: nil, era: nil, ensure: true)
        else { return log(.error, "\(name) cannot be the name of an identity") }
        pool.run(lane: "identity", { Result { () throws(Refusal) in try plan.identity() } }) { [weak self] result in
            self?.loop.add(
                .chore { turn in
                    guard let self, self.facebook.identities.isEmpty else { return }
                    self.facebook.put(try result.get())
                    try turn.note(.identity, .info, "made the first identity, \(self.facebook.identities[0].id)")
                    try turn.handle(.identitiesChanged)
                })
        }
    }

    private func noteDisk(_ fault: String?) {
        if let fault { return log(.error, "nothing is accepted: \(fault)") }
        log(.info, "the disk works again")
        loop.add(.chore { turn in try turn.note(.disk, .warning, "the disk works again", reason: "recovered") })
    }
}
