import Dispatch
import Store
import System

/// The clean end: no new client, presence gone, what was begun is written and answered. A disk or pool that hangs holds
/// nothing up for long: what is not answered was not accepted.
@MainActor final class Shutdown {
    private let loop: Loop
    private let pool: Pool
    private let brokers: Brokers
    private let socket: ServerSocket
    private let metricsFile: MetricsFile
    /// Each of these hears of the end at once, in this order.
    private let first: [@MainActor () -> Void]
    /// Something of these has not ended yet.
    private let isAtWork: @MainActor () -> Bool
    private var isStopping = false
    /// What follows the end; `nil` once it has followed.
    private var action: (@MainActor () -> Void)?

    init(
        loop: Loop, pool: Pool, brokers: Brokers, socket: ServerSocket, metricsFile: MetricsFile,
        first: [@MainActor () -> Void], isAtWork: @escaping @MainActor () -> Bool
    ) {
        self.loop = loop
        self.pool = pool
        self.brokers = brokers
        self.socket = socket
        self.metricsFile = metricsFile
        self.first = first
        self.isAtWork = isAtWork
    }

    /// `action` follows once, within eight seconds.
    func begin(_ action: @escaping @MainActor () -> Void) {
        guard !isStopping else { return }
        isStopping = true
        self.action = action
        loop.log(.info, "ending")
        for step in first { step() }
        later(8) { $0.finish() }
        brokers.stop { [self] in
            metricsFile.write()
            drain()
        }
    }

    private func drain() {
        guard pool.load == 0, !isAtWork() else { return later(0.02) { $0.drain() } }
        loop.finish { [self] in
            guard pool.load == 0, !isAtWork() else { return drain() }
            socket.close()
            try? loop.store.checkpoint()
            finish()
        }
    }

    private func finish() {
        let action = action
        self.action = nil
        action?()
    }

    private func later(_ seconds: Double, _ action: @escaping @MainActor (Shutdown) -> Void) {
        MainQueue.after(seconds) { action(self) }
    }
}
