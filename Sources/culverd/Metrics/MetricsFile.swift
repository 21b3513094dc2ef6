import Dispatch
import Store

/// `metrics_file` of `[agent]`: written at the start, once a minute and at the end. A file that cannot be written is an
/// event when that begins, and stops nothing.
@MainActor final class MetricsFile {
    private let report: MetricsReport
    private let running: RunningConfiguration
    private let loop: Loop
    private let pool: Pool
    private var timer: (any DispatchSourceTimer)? {
        willSet { timer?.cancel() }
    }
    private var isWriting = false
    private var isFailing = false

    init(_ report: MetricsReport, running: RunningConfiguration, loop: Loop, pool: Pool) {
        self.report = report
        self.running = running
        self.loop = loop
        self.pool = pool
    }

    /// To be called at the start and whenever the configuration was read; a file of another name is written at once.
    func keep(insteadOf old: String? = nil) {
        guard let path = running.configuration.agent.metricsFile else { return timer = nil }
        guard timer == nil || path != old else { return }
        isFailing = false
        let timer = DispatchSource.makeTimerSource(queue: .main)
        timer.schedule(deadline: .now(), repeating: 60, leeway: .seconds(5))
        timer.setEventHandler { [weak self] in MainActor.assumeIsolated { self?.write() } }
        timer.activate()
        self.timer = timer
    }

    /// By the pool, because the disk may hang; one that hangs is not written to again.
    func write() {
        guard let path = running.configuration.agent.metricsFile, !isWriting else { return }
        loop.add(
            .chore { [weak self] turn in
                guard let self else { return }
                let text = Result { try self.report.text(process: "culver_process") }
                turn.after { self.write(text, to: path) }
            })
    }

    private func write(_ text: Result<String, any Error>, to path: String) {
        guard !isWriting else { return }
        isWriting = true
        pool.run(lane: "textfile", { Result { try Textfile.write(try text.get(), to: path) } }) { [weak self] result in
            guard let self else { return }
            self.isWriting = false
            guard case .failure(let error) = result else { return self.isFailing = false }
            guard !self.isFailing else { return }
            self.isFailing = true
            self.loop.log(.error, "\(error)")
            self.loop.add(
                .chore { turn in try turn.note(.disk, level: .error, text: "\(error)", reason: "metrics-file") })
        }
    }
}
