import Dispatch
import Records
import Store
import System

/// What systemd is told while the daemon runs, all of it from the main queue.
@MainActor final class SupervisorReport {
    private let supervisor: Supervisor
    private let running: RunningConfiguration
    private let loop: Loop
    private let brokers: Brokers
    private var watchdog: (any DispatchSourceTimer)?
    private var toldStatus = ""
    /// What changes within a second is told together.
    private var isHeld = false
    private var isEnding = false

    init(to supervisor: Supervisor, running: RunningConfiguration, loop: Loop, brokers: Brokers) {
        self.supervisor = supervisor
        self.running = running
        self.loop = loop
        self.brokers = brokers
    }

    /// READY at the end of the first turn: the socket is there and the loop runs. Brokers are not waited for.
    ///
    /// The watchdog hears of the daemon at the end of a turn, twice in its time. So it takes a main queue or a disk that
    /// hangs for what it is, but not a disk that answers with errors: that does not get better by a new start.
    func begin() {
        loop.comeRound { [weak self] in
            self?.supervisor.tell("READY=1")
            self?.tellStatus()
        }
        guard let patience = supervisor.patience else { return }
        let timer = DispatchSource.makeTimerSource(queue: .main)
        timer.schedule(
            deadline: .now() + patience / 2, repeating: patience / 2,
            leeway: .milliseconds(Int(min(patience * 10, 60_000))))
        timer.setEventHandler { [weak self] in
            MainActor.assumeIsolated { self?.loop.comeRound { self?.supervisor.tell("WATCHDOG=1") } }
        }
        timer.activate()
        watchdog = timer
    }

    /// The daemon ends.
    func end() {
        isEnding = true
        supervisor.tell("STOPPING=1")
        tellStatus()
    }

    /// Called after every turn; tells what has changed, at most once a second.
    func tellStatus() {
        guard supervisor.isListening, !isHeld else { return }
        let words = status
        guard words != toldStatus else { return }
        toldStatus = words
        supervisor.tell("STATUS=\(words)")
        isHeld = true
        MainQueue.after(1) { [weak self] in
            self?.isHeld = false
            self?.loop.wake()
        }
    }

    private var status: String {
        if isEnding { return "ending" }
        if loop.messenger.olderBoard != nil { return "standing back: another board has our keys" }
        let states = running.configuration.brokers.map { brokers[$0.name]?.condition.state }
        let connected = states.count { $0 == .connected }
        var words = "\(connected) of \(states.count) broker\(states.count == 1 ? "" : "s") connected"
        let waiting = (try? loop.store.outboxSize().count) ?? 0
        if waiting > 0 { words += ", \(waiting) message\(waiting == 1 ? "" : "s") on the way" }
        if loop.isDiskFaulty { words += ", the disk fails: nothing is accepted" }
        if running.isOutdated { words += ", the configuration has errors and the one before is used" }
        return words
    }
}
