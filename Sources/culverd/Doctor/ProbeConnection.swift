import Format
import Transport

/// One of a probe's own connections, under a client id beside the daemon's.
@MainActor final class ProbeConnection {
    /// What becomes of its events; changed from step to step.
    var ear: @MainActor (LinkEvent) -> Void = { _ in }
    private(set) lazy var link = MosquittoLink(options, timing: timing) { [weak self] event in self?.ear(event) }

    /// Seconds for the answer to CONNECT. A broker of MQTT 3.1.1 may never answer that of MQTT 5, and a step of the probe
    /// has ten.
    var answerWithin = 9.0
    private let options: BrokerOptions
    private var isOn = false

    /// `session`: seconds that the broker is asked to keep its session; 0 for none, and an old one is forgotten.
    init(_ options: BrokerOptions, suffix: String, session: UInt32) {
        var options = options
        options.clientID += suffix
        options.will = nil
        options.sessionExpiry = session
        options.startsClean = session == 0
        self.options = options
    }

    /// Dials until the broker answers or is clear about why not. A broker that does not speak MQTT 5 is asked again.
    func connect(
        _ connected: @escaping @MainActor (MQTTVersion, _ sessionPresent: Bool) -> Void,
        otherwise failed: @escaping @MainActor (String) -> Void
    ) {
        var attempts = 0
        ear = { event in
            switch event {
            case .connected(let version, let isPresent): connected(version, isPresent)
            case .failed(let reason, _):
                attempts += 1
                let isAboutVersion =
                    reason.utf8.has("does not speak") || reason.utf8.has("before it answered")
                if attempts < 3, isAboutVersion { return }
                failed(reason)
            case .disconnected(let reason, _): failed(reason)
            default: break
            }
        }
        isOn = true
        link.start()
    }

    /// Hangs up; `then` is called when it has, at once if there was no connection.
    func leave(_ then: @escaping @MainActor () -> Void = {}) {
        guard isOn else { return then() }
        // It lives until then, whoever else has let go of it.
        ear = { event in
            guard event == .stopped else { return }
            self.ear = { _ in }
            self.isOn = false
            then()
        }
        link.stop()
    }

    private var timing: LinkTiming {
        var timing = LinkTiming()
        timing.firstWait = 0.2
        timing.longestWait = 0.5
        timing.answerWithin = answerWithin
        return timing
    }
}
