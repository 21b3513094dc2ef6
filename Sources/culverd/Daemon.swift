import Agent
import Control
import Crypto
import DIMP
import Dispatch
import Format
import Glibc
import Operations
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
    let supervisor: Supervisor
    var watchdog: (any DispatchSourceTimer)?
    var toldStatus = ""
    /// What changes within a second is told together.
    var isStatusHeld = false
    /// The files were read again and not taken.
    var isConfigurationBad = false
    var access: Access
    var log: Log { loop.log }
    let started = Clock.read(CLOCK_BOOTTIME)

    /// The first identity's keys are on their way: who wants to send may try again soon.
    private(set) var isMakingIdentity = false
    /// Calls that wait for the messenger's answer, by token.
    var answers: [UInt64: @MainActor (Answer) -> Void] = [:]
    private var lastToken: UInt64 = 0
    /// Who waits for an outgoing message to reach a state, and who sent it.
    var waiters: [Waiter] = []
    /// What each connection has sent and is told of, as hashes of ids: it may be a hundred thousand messages.
    var senders: [ConnectionID: Set<Int>] = [:]
    var watchers: [ConnectionID: EventWatcher] = [:]
    /// The doctor at work, one at a time.
    var consultation: DoctorRun?

    /// Random for each start: which of two statements of our presence is of the same run.
    let boot: String
    /// When this start began and the one before it, as both are stated to others, in seconds since 1970. A thousandth
    /// after the last at least: by a whole second two copies that are started soon would begin at the same time.
    private(set) lazy var began = max(loop.clock.now.wall, lastPresence + 0.001)
    let lastPresence: Double
    /// Damaged files that were set aside since the start.
    private(set) var damagedFiles = 0
    var textfileTimer: (any DispatchSourceTimer)? {
        willSet { textfileTimer?.cancel() }
    }
    var isWritingTextfile = false
    var isTextfileFailing = false
    var hasDialled = false
    var backups = Backups()
    private(set) var isStopping = false

    var facebook: Facebook { loop.book.facebook }
    var store: MessageStore { loop.store }

    /// Everything but the outside: state directory, its lock, keys, messages. Throws what stops a daemon.
    init(
        _ configuration: Configuration, _ options: Options, _ environment: [String: String], _ supervisor: Supervisor
    ) throws {
        self.configuration = configuration
        self.supervisor = supervisor
        self.options = options
        self.environment = environment
        try Host.makeParents(of: configuration.agent.state)
        let directory = try StateDirectory(configuration.agent.state)
        lock = try directory.lock()
        try directory.checkIsLive()
        if let exposed = try directory.exposedKeys().first { throw exposed }
        _ = try directory.sweep()
        try directory.removeBackup()
        installation = try directory.installation()
        let store = try MessageStore(
            path: "\(configuration.agent.state)/\(StatePath.messages)", limits: configuration.storeLimits)
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
        boot = Hex.encode(try Random.bytes(8))
        lastPresence = try store.value(key: "presence at").flatMap(Double.init) ?? 0
    }

    /// Opens the socket and begins. The brokers are dialled afterwards: nobody waits for them.
    func start() throws {
        consumers.notify = { [weak self] connection, method, params in
            self?.server?.notify(connection, method: method, params: params) ?? false
        }
        consumers.name = { [weak self] id in self?.operations.name(of: id) }
        loop.perform = { [weak self] in self?.perform($0) }
        loop.work = { [weak self] job, finish in
            self?.pool.run(lane: job.lane, weight: job.weight, { job.done() }, then: finish)
        }
        loop.onNews = { [weak self] happenings, hasArrived in self?.tell(happenings, hasArrived) }
        loop.onTurn = { [weak self] in
            self?.brokers.relieve()
            self?.pump()
            self?.pumpEvents()
            self?.noteDamages()
            self?.reportStatus()
        }
        loop.onDisk = { [weak self] fault in self?.noteDisk(fault) }
        let server = try makeServer()
        // Not at once: the store may be busy with a commit.
        server.onRoom = { [weak self] _ in self?.loop.wake() }
        self.server = server
        noteStart()
        declareContacts()
        finishRemovals()
        if !facebook.identities.isEmpty || !makeFirstIdentity() { dialBrokers() }
        keepTextfile()
        warnOfStrangeNames()
        log(.info, "culverd \(Version.text) is ready at \(configuration.agent.socket)")
        reportToSupervisor()
        later(5) { _ in Host.giveBackMemory() }
    }

    /// On the socket that systemd listens on for us, or on one of our own.
    private func makeServer() throws -> Server {
        let limits = ControlLimits(configuration.limits)
        let onCall: @MainActor (Call) -> Void = { [weak self] in self?.answer($0) }
        let onClose: @MainActor (ConnectionID) -> Void = { [weak self] in self?.disconnected($0) }
        guard let number = supervisor.listeners.first else {
            try Host.makeParents(of: configuration.agent.socket)
            return try Server(
                path: configuration.agent.socket, mode: 0o660, group: Names.group("culver"), limits: limits,
                onCall: onCall, onClose: onClose)
        }
        let server = try Server(inherited: number, limits: limits, onCall: onCall, onClose: onClose)
        if supervisor.listeners.count > 1 {
            log(.warning, "of several sockets that were handed over the first is used")
        }
        if server.path != configuration.agent.socket {
            log(.warning, "the socket is \(server.path), as handed over, and not \(configuration.agent.socket)")
            configuration.agent.socket = server.path
        }
        return server
    }

    /// Ends cleanly: nobody new, presence gone, what was begun is written and answered, then `action`. A disk or pool
    /// that hangs holds nothing up for long: what is not answered was not accepted.
    func stop(_ action: @escaping @MainActor () -> Void) {
        guard !isStopping else { return }
        isStopping = true
        log(.info, "ending")
        supervisor.tell("STOPPING=1")
        reportStatus()
        server?.stopListening()
        for waiter in waiters { finish(waiter, .stopping) }
        consultation?.abandon()
        endBackup()
        later(8) { _ in action() }
        brokers.stop { [self] in
            writeTextfile()
            drain(action)
        }
    }

    private func drain(_ action: @escaping @MainActor () -> Void) {
        guard pool.load == 0 else { return later(0.02) { $0.drain(action) } }
        loop.finish { [self] in
            guard pool.load == 0 else { return drain(action) }
            server?.close()
            try? store.checkpoint()
            action()
        }
    }

    private func later(_ seconds: Double, _ action: @escaping @MainActor (Daemon) -> Void) {
        DispatchQueue.main.asyncAfter(deadline: .now() + seconds) { MainActor.assumeIsolated { action(self) } }
    }

    var operations: FileOperations { FileOperations(facebook: facebook, time: loop.clock.now.wall) }

    func newToken() -> UInt64 {
        lastToken += 1
        return lastToken
    }

    // MARK: - Effects

    private func perform(_ effect: Effect) {
        switch effect {
        case .answer(let token, let answer): answers.removeValue(forKey: token)?(answer)
        case .changed(let row): tell(row)
        case .work: break
        case .publish(let parcel): brokers.publish(parcel)
        case .watch(let address): brokers.watch(address)
        case .leave(let address): brokers.leave(address)
        case .keep(let addresses, let broker): brokers[broker]?.keep(addresses)
        case .abandon(let address, let broker): brokers[broker]?.abandon(address)
        case .state(let address, let broker, let other): state(under: address, on: broker, answering: other)
        case .standBack:
            log(
                .error, "another board has our keys and started earlier: this one stands back until it is started again"
            )
            brokers.standBack()
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
        if backups.current?.connection == connection { endBackup() }
        watchers[connection] = nil
        if let consultation, consultation.call.connection == connection { consultation.abandon() }
        for waiter in waiters where waiter.call.connection == connection { waiter.timer.cancel() }
        waiters.removeAll { $0.call.connection == connection }
        senders[connection] = nil
    }

    // MARK: - Beginning

    private func noteStart() {
        let damages = loop.directory.takeDamages() + (store.damage.map { [$0] } ?? [])
        damagedFiles += damages.count
        let isForeign = installation.isForeign
        let mark = Hex.encode(installation.mark)
        loop.add(
            .duty { turn in
                guard try turn.ledger.value(key: "place") != mark else { return }
                if try turn.ledger.value(key: "place") != nil { try turn.handle(.restored) }
                try turn.ledger.apply(.value(key: "place", mark))
            })
        loop.add(
            .chore { turn in
                try turn.note(.start, .info, "culverd \(Version.text) started")
                try Self.note(damages, &turn)
                if isForeign {
                    try turn.note(
                        .clone, .warning, "the state directory was made on another board", reason: "foreign-board")
                }
                if !turn.now.isClockSet {
                    try turn.note(.clock, .warning, "the clock is not set", reason: "clock-unset")
                }
            })
        for damage in damages { log(.error, damage) }
        if isForeign { log(.warning, "the state directory was made on another board") }
    }

    /// `[contact NAME]` sections are contacts while they stand in the configuration.
    func declareContacts() {
        let declared = configuration.contacts
        loop.add(
            .duty { [weak self] turn in
                guard let self else { return }
                let addresses = declared.compactMap { ID($0.id)?.address }
                for contact in self.facebook.contacts
                where contact.isDeclared && !addresses.contains(contact.id.address) {
                    try turn.handle(.forgot(contact.id))
                    try turn.note(
                        .contact, .info, "\(contact.id) stands no longer in the configuration", did: contact.id.text)
                }
                for section in declared { try self.declare(section, &turn) }
            })
    }

    private func declare(_ section: ContactSettings, _ turn: inout Turn) throws {
        guard let id = ID(section.id) else { return }
        guard facebook.identity(id.address) == nil, !id.isBroadcast else {
            let text = "[contact \(section.name)] is not used: \(id) is no other's identity"
            turn.after { self.log(.warning, text) }
            return try turn.note(.config, .warning, text, did: id.text, reason: "bad-contact")
        }
        var contact = facebook.contact(id.address) ?? Contact(id: id.bare, trust: .contact)
        guard !contact.isDeclared || contact.name != section.name else { return }
        // The configuration has the last word about a name.
        if let other = facebook.contacts.first(where: { $0.name == section.name && $0.id.address != id.address }) {
            var nameless = other
            nameless.name = nil
            loop.book.apply(.contact(nameless))
            let text = "\(other.id) is no longer \(section.name): the configuration gives it to \(id)"
            turn.after { self.log(.warning, text) }
            try turn.note(.contact, .warning, text, did: other.id.text, reason: "name-taken")
        }
        if let own = facebook.identities.first(where: { $0.id.name == section.name }) {
            let text = "[contact \(section.name)]: \(section.name) goes on meaning our own \(own.id), not \(id)"
            turn.after { self.log(.warning, text) }
            try turn.note(.config, .warning, text, did: id.text, reason: "name-taken")
        }
        contact.name = section.name
        contact.isDeclared = true
        if contact.trust == .stranger { contact.trust = .contact }
        loop.book.apply(.contact(contact))
        try turn.handle(.befriended(id))
    }

    /// Brokers are dialled when it is there, because will, presence and user name need it. False when none is made.
    private func makeFirstIdentity() -> Bool {
        guard let template = configuration.identity.name else { return false }
        let name = Host.label(filling: template)
        guard
            case .planned(let plan)? = try? operations.plan(
                name: name, type: nil, key: nil, bits: nil, era: nil, ensure: true)
        else {
            log(.error, "\(name) cannot be the name of an identity")
            return false
        }
        isMakingIdentity = true
        pool.run(lane: "identity", { Result { () throws(Refusal) in try plan.identity() } }) { [weak self] result in
            guard let self else { return }
            switch result {
            case .success(let identity): self.loop.add(.duty { try self.keepFirst(identity, &$0) })
            case .failure(let refusal):
                self.isMakingIdentity = false
                self.log(.error, refusal.text)
                self.dialBrokers()
            }
        }
        return true
    }

    private func keepFirst(_ identity: Identity, _ turn: inout Turn) throws {
        isMakingIdentity = false
        guard facebook.identities.isEmpty else { return }
        facebook.put(identity)
        try turn.note(.identity, .info, "made the first identity, \(identity.id)", did: identity.id.text)
        try turn.handle(.identitiesChanged)
        turn.after { self.dialBrokers() }
    }

    /// Files that were found damaged while we run.
    private func noteDamages() {
        let damages = loop.directory.takeDamages()
        guard !damages.isEmpty else { return }
        damagedFiles += damages.count
        for damage in damages { log(.error, damage) }
        loop.add(.chore { turn in try Self.note(damages, &turn) })
    }

    /// In one event: several of one minute would be taken for the same.
    private static func note(_ damages: [String], _ turn: inout Turn) throws {
        guard !damages.isEmpty else { return }
        let rest = damages.count > 16 ? ["and \(damages.count - 16) more"] : []
        try turn.note(
            .disk, .error, (damages.prefix(16) + rest).joined(separator: "; "), reason: "damaged-file")
    }

    /// The event can be written only when the disk works again; trying finds out, without anybody asking for something.
    private func noteDisk(_ fault: String?) {
        guard let fault else { return log(.info, "the disk works again") }
        log(.error, "nothing is accepted: \(fault)")
        let began = loop.clock.now
        loop.add(
            .duty { turn in
                let time = began.isClockSet ? began.wall : 0
                let text = "nothing was accepted: \(fault)"
                try turn.ledger.apply(
                    .event(EventRecord(time: time, kind: .disk, level: .error, reason: "failed", text: text)))
                try turn.note(.disk, .warning, "the disk works again", reason: "recovered")
            })
    }
}
