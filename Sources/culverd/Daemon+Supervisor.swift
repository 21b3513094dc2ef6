import Dispatch
import Records

/// What systemd is told, all of it from the main queue.
extension Daemon {
    /// READY at the end of the first turn: the socket is there and the loop runs. Brokers are not waited for.
    ///
    /// The watchdog hears of us at the end of a turn, twice in its time. So it takes a main queue or a disk that hangs for
    /// what it is, but not a disk that answers with errors: that does not get better by a new start.
    func reportToSupervisor() {
        loop.comeRound { [weak self] in
            self?.supervisor.tell("READY=1")
            self?.reportStatus()
        }
        guard let patience = supervisor.patience else { return }
        let timer = DispatchSource.makeTimerSource(queue: .main)
        timer.schedule(
            deadline: .now() + patience / 2, repeating: patience / 2, leeway: .milliseconds(Int(patience * 10)))
        timer.setEventHandler { [weak self] in
            MainActor.assumeIsolated { self?.loop.comeRound { self?.supervisor.tell("WATCHDOG=1") } }
        }
        timer.activate()
        watchdog = timer
    }

    /// Called after every turn; tells what has changed, at most once a second.
    func reportStatus() {
        guard supervisor.isListening, !isStatusHeld else { return }
        let words = statusWords
        guard words != toldStatus else { return }
        toldStatus = words
        supervisor.tell("STATUS=\(words)")
        isStatusHeld = true
        DispatchQueue.main.asyncAfter(deadline: .now() + 1) { [weak self] in
            MainActor.assumeIsolated {
                self?.isStatusHeld = false
                self?.loop.wake()
            }
        }
    }

    private var statusWords: String {
        if isStopping { return "ending" }
        if loop.messenger.twin != nil { return "standing back: another board has our keys" }
        let states = configuration.brokers.map { brokers[$0.name]?.condition.state }
        let connected = states.count { $0 == .connected }
        var words = "\(connected) of \(states.count) broker\(states.count == 1 ? "" : "s") connected"
        let waiting = (try? store.outboxSize().count) ?? 0
        if waiting > 0 { words += ", \(waiting) message\(waiting == 1 ? "" : "s") on the way" }
        if loop.isDiskFaulty { words += ", the disk fails: nothing is accepted" }
        if isConfigurationBad { words += ", the configuration has errors and the one before is used" }
        return words
    }
}
