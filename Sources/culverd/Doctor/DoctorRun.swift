import Control
import Diagnostics
import Dispatch

/// One run of `doctor`: what is known at once, what the files say, and a probe of each broker, all side by side.
@MainActor final class DoctorRun {
    let call: Call
    private var files: [Check]?
    private var brokers: [[Check]?]
    private var probes: [BrokerProbe] = []
    private let first: [Check]
    private let done: @MainActor () -> Void

    /// `first`: the checks that were made already. `done` is called once, when nothing of it is left on any broker.
    init(_ call: Call, first: [Check], brokers: Int, done: @escaping @MainActor () -> Void) {
        self.call = call
        self.first = first
        self.done = done
        self.brokers = Array(repeating: nil, count: brokers)
    }

    /// Looks through the files on a thread of its own: the pool's are for messages.
    func look(_ work: @escaping @Sendable () -> [Check]) {
        DispatchQueue(label: "culver.doctor").async {
            let found = work()
            DispatchQueue.main.async {
                MainActor.assumeIsolated {
                    self.files = found
                    self.conclude()
                }
            }
        }
    }

    /// The broker's place among those counted.
    func take(_ checks: [Check], of broker: Int) {
        brokers[broker] = checks
        conclude()
    }

    func probe(_ target: ProbeTarget, nonce: String, at broker: Int) {
        let probe = BrokerProbe(target, nonce: nonce) { self.take($0, of: broker) }
        probes.append(probe)
        probe.begin()
    }

    /// The client is gone, or the daemon ends.
    func abandon() {
        call.fail(.stopping)
        probes.forEach { $0.abandon() }
    }

    private func conclude() {
        guard let files, !brokers.contains(where: { $0 == nil }) else { return }
        probes = []
        call.answer((first + files + brokers.flatMap { $0 ?? [] }).json)
        done()
    }
}
