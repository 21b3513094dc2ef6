import Dispatch
import Store

/// `metrics_file` of `[agent]`: written at the start, once a minute and at the end. A file that cannot be written is an
/// event when that begins, and stops nothing.
extension Daemon {
    /// To be called at the start and whenever the configuration was read; a file of another name is written at once.
    func keepTextfile(insteadOf old: String? = nil) {
        guard let path = configuration.agent.metricsFile else { return textfileTimer = nil }
        guard textfileTimer == nil || path != old else { return }
        isTextfileFailing = false
        let timer = DispatchSource.makeTimerSource(queue: .main)
        timer.schedule(deadline: .now(), repeating: 60, leeway: .seconds(5))
        timer.setEventHandler { [weak self] in MainActor.assumeIsolated { self?.writeTextfile() } }
        timer.activate()
        textfileTimer = timer
    }

    /// By the pool, because the disk may hang; one that hangs is not written to again.
    func writeTextfile() {
        guard let path = configuration.agent.metricsFile, !isWritingTextfile else { return }
        loop.add(
            .chore { [weak self] turn in
                guard let self else { return }
                let text = Result { try self.metrics() }
                turn.after { self.writeTextfile(text, to: path) }
            })
    }

    private func writeTextfile(_ text: Result<String, any Error>, to path: String) {
        guard !isWritingTextfile else { return }
        isWritingTextfile = true
        pool.run(lane: "textfile", { Result { try Textfile.write(try text.get(), to: path) } }) { [weak self] result in
            guard let self else { return }
            self.isWritingTextfile = false
            guard case .failure(let error) = result else { return self.isTextfileFailing = false }
            guard !self.isTextfileFailing else { return }
            self.isTextfileFailing = true
            self.log(.error, "\(error)")
            self.loop.add(.chore { turn in try turn.note(.disk, .error, "\(error)", reason: "metrics-file") })
        }
    }
}
