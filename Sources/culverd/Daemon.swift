import Agent
import Control
import Dispatch
import Glibc
import Store
import System

/// The wiring: every part of the daemon, and which talks to which. Owns all of them and does none of their work.
///
///     ServerSocket ──calls──▶ CallRouter ──▶ Methods ──inputs──▶ Loop ──▶ Messenger
///     Brokers, Pool ─────────────────────events, results───────▶ Loop ──effects──▶ Performer
///     Performer ──▶ PendingAnswers, Subscriptions ──▶ ServerSocket
///     Performer ──▶ Brokers
@MainActor final class Daemon {
    private let running: RunningConfiguration
    private let lock: DirectoryLock
    private let loop: Loop
    private let pool: Pool
    private let brokers: Brokers
    private let presence: BrokerPresence
    private let socket: ServerSocket
    private let subscriptions: Subscriptions
    private let transfers: FileTransfers
    private let uploads: Uploads
    private let fileInbox: FileInbox
    private let backups: Backups
    private let doctor: DoctorMethods
    private let router: CallRouter
    private let performer: Performer
    private let calls: CallPrograms
    private let bridges: BridgeLinks
    private let disk: DiskWatch
    private let damages: DamageWatch
    private let startEvents: StartEvents
    private let declared: DeclaredContacts
    private let removals: IdentityRemovals
    private let first: FirstIdentity
    private let metricsFile: MetricsFile
    private let report: SupervisorReport
    private let reloading: Reloading
    private let shutdown: Shutdown

    /// Everything but the outside: state directory, its lock, keys, messages. Throws what stops a daemon.
    init(
        _ configuration: Configuration, options: Options, environment: [String: String], supervisor: Supervisor
    ) throws {
        let started = KernelClock.boottime.now
        let state = try OpenedState(configuration.agent.state, limits: configuration.storeLimits)
        lock = state.lock
        running = RunningConfiguration(configuration, options: options, environment: environment)
        var messenger = Messenger(
            book: state.book, ledger: state.store, policy: configuration.policy,
            random: { UInt64.random(in: 0...(.max)) }, matches: { Pattern.matches($0, $1) })
        messenger.agent = "culver \(Release.version)"
        loop = Loop(
            store: state.store, book: state.book, directory: state.directory, clock: state.clock, messenger: messenger,
            log: Log(level: configuration.agent.log))
        pool = Pool(width: Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))

        brokers = Brokers(loop: loop, pool: pool)
        let configured = ConfiguredBrokers(
            running: running, loop: loop, brokers: brokers, installation: state.installation)
        presence = try BrokerPresence(
            loop: loop, pool: pool, brokers: brokers, configured: configured, last: state.lastPresence)
        bridges = BridgeLinks(loop: loop, configured: configured)
        socket = ServerSocket(running: running, supervisor: supervisor, loop: loop)
        subscriptions = try Subscriptions(loop: loop, notify: socket.notify)
        calls = CallPrograms(loop: loop, notify: socket.notify, owner: options.isUser ? geteuid() : nil)
        backups = Backups(loop: loop, pool: pool, brokers: brokers, subscriptions: subscriptions, socket: socket)

        transfers = FileTransfers(loop: loop, running: running)
        uploads = Uploads(transfers)
        fileInbox = FileInbox(loop: loop, running: running, transfers: transfers)
        disk = DiskWatch(loop: loop)
        damages = DamageWatch(loop: loop)
        startEvents = StartEvents(loop: loop, installation: state.installation, damages: damages)
        declared = DeclaredContacts(loop: loop, running: running)
        removals = IdentityRemovals(loop: loop, running: running, presence: presence)
        first = FirstIdentity(loop: loop, pool: pool, running: running, presence: presence)

        let status = StatusReport(
            loop: loop, running: running, brokers: brokers, configured: configured,
            consumers: subscriptions.consumers, backups: backups, bridges: bridges, started: started)
        let metrics = MetricsReport(
            loop: loop, pool: pool, brokers: brokers, configured: configured, consumers: subscriptions.consumers,
            socket: socket, backups: backups, damages: damages, bridges: bridges, started: started)
        metricsFile = MetricsFile(metrics, running: running, loop: loop, pool: pool)
        report = SupervisorReport(to: supervisor, running: running, loop: loop, brokers: brokers)
        reloading = Reloading(
            running: running, loop: loop, supervisor: supervisor, declared: declared, metricsFile: metricsFile,
            presence: presence, bridges: bridges)

        let rights = CallerRights(running: running, loop: loop, first: first)
        let answers = PendingAnswers()
        doctor = DoctorMethods(
            running: running, rights: rights, loop: loop, brokers: brokers, configured: configured, bridges: bridges)
        let messages = MessageMethods(
            loop: loop, pool: pool, rights: rights, answers: answers, senders: subscriptions.senders,
            waiters: subscriptions.waiters)
        let methods = Methods(
            general: GeneralMethods(statusReport: status, metricsReport: metrics),
            identities: IdentityMethods(loop: loop, pool: pool, presence: presence, removals: removals),
            contacts: ContactMethods(loop: loop, rights: rights), presence: PresenceMethods(loop: loop),
            groups: GroupMethods(loop: loop, pool: pool, rights: rights, answers: answers),
            messages: messages,
            files: FileMethods(
                loop: loop, running: running, rights: rights, messages: messages, uploads: uploads,
                transfers: transfers),
            inbox: InboxMethods(
                loop: loop, rights: rights, consumers: subscriptions.consumers, watchers: subscriptions.inbox),
            events: EventMethods(loop: loop, watchers: subscriptions.events),
            calls: CallMethods(
                loop: loop, rights: rights, answers: answers, waiters: subscriptions.calls, programs: calls,
                running: running),
            pipes: PipeMethods(loop: loop, rights: rights, answers: answers, programs: subscriptions.pipes),
            doctor: doctor, backup: BackupMethods(backups: backups))
        router = CallRouter(to: methods, running: running, loop: loop, socket: socket, backups: backups)
        performer = Performer(
            loop: loop, brokers: brokers, answers: answers, subscriptions: subscriptions, transfers: transfers,
            calls: calls, bridges: bridges)
        shutdown = Shutdown(
            loop: loop, pool: pool, brokers: brokers, socket: socket, metricsFile: metricsFile,
            first: [
                report.end, socket.stopListening, router.stop, presence.stop, subscriptions.stop, doctor.stop,
                backups.stop, calls.stopAll, bridges.stop,
            ], isAtWork: { [calls] in calls.isRunning })
    }

    /// Opens the socket and begins. The brokers are dialled afterwards: the start does not wait for them.
    func start() throws {
        listen()
        try socket.open(
            onCall: { [weak self] in self?.router.route($0) }, onClose: { [weak self] in self?.disconnected($0) })
        startEvents.write()
        declared.declare()
        removals.finish()
        transfers.start()
        fileInbox.start()
        loop.take(.call(.restarted))
        bridges.change()
        subscriptions.pipes.restart()
        if !first.make() { presence.dial() }
        metricsFile.keep()
        running.access.warnOfUnknown(loop.log)
        loop.log(.info, "culverd \(Release.version) is ready at \(running.configuration.agent.socket)")
        report.begin()
        MainQueue.after(5) { Host.giveBackMemory() }
    }

    func reload() { reloading.reload() }

    /// Ends cleanly, then `action`.
    func stop(_ action: @escaping @MainActor () -> Void) { shutdown.begin(action) }

    private func listen() {
        loop.perform = { [weak self] in self?.performer.perform($0) }
        loop.work = { [weak self] job, finish in
            self?.pool.run(lane: job.lane, weight: job.weight, { job.done { KernelClock.thread.now } }, then: finish)
        }
        loop.onAnswers = { [weak self] in self?.socket.handOver() }
        loop.onNews = { [weak self] events, hasArrived in
            self?.subscriptions.happened(events)
            if hasArrived { self?.fileInbox.pump() }
        }
        loop.onTurn = { [weak self] in
            self?.brokers.relieve()
            self?.subscriptions.pump()
            self?.damages.look()
            self?.report.tellStatus()
        }
        loop.onDisk = { [weak self] fault in self?.disk.changed(fault) }
    }

    private func disconnected(_ connection: ConnectionID) {
        subscriptions.disconnected(connection)
        backups.disconnected(connection)
        calls.disconnected(connection)
        doctor.disconnected(connection)
        uploads.disconnected(connection)
    }
}
