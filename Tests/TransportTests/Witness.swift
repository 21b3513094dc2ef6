import TestSupport
import Transport

/// A link and everything that it told.
@MainActor
final class Witness {
    private(set) var events: [LinkEvent] = []
    /// Called with every event, after it was noted.
    var reaction: (@MainActor (LinkEvent) -> Void)?
    private(set) var link: (any Link)!

    /// Of any link, made by `make` and started.
    init(of make: (@escaping @MainActor (LinkEvent) -> Void) throws -> any Link) rethrows {
        link = try make { [weak self] event in
            self?.events.append(event)
            self?.reaction?(event)
        }
        link.start()
    }

    convenience init(_ options: BrokerOptions, timing: LinkTiming = .quick) {
        self.init { MosquittoLink(options, timing: timing, on: $0) }
    }

    /// For a look inside.
    var mosquitto: MosquittoLink {
        guard let link = link as? MosquittoLink else { preconditionFailure("the link is another") }
        return link
    }

    var messages: [(topic: String, text: String, retained: Bool)] {
        events.compactMap {
            guard case .message(let topic, let payload, let retained) = $0 else { return nil }
            return (topic, String(decoding: payload, as: UTF8.self), retained)
        }
    }

    var connections: [(version: MQTTVersion, sessionPresent: Bool)] {
        events.compactMap {
            guard case .connected(let version, let sessionPresent) = $0 else { return nil }
            return (version, sessionPresent)
        }
    }

    var failures: [String] {
        events.compactMap { if case .failed(let reason, _) = $0 { reason } else { nil } }
    }

    var disconnections: [String] {
        events.compactMap { if case .disconnected(let reason, _) = $0 { reason } else { nil } }
    }

    func outcome(of token: Int32) -> PublishOutcome? {
        for case .acknowledged(token, let outcome) in events { return outcome }
        return nil
    }

    /// Waits for a condition; a failure names what happened instead.
    func until(_ what: String, _ condition: @MainActor (Witness) -> Bool) async throws {
        for _ in 0..<3_000 {
            if condition(self) { return }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw TestFailure("waited in vain: \(what); events: \(events)")
    }

    func connected() async throws {
        try await until("connected") { $0.link.isConnected }
    }

    func subscribed(to topics: String...) async throws {
        link.subscribe(topics)
        try await until("subscribed to \(topics)") { witness in
            witness.events.contains {
                guard case .subscribed(let granted, _) = $0 else { return false }
                return granted == topics
            }
        }
    }

    @discardableResult
    func publish(_ topic: String, _ text: String, retain: Bool = false) async throws -> PublishOutcome {
        let token = try link.publish(topic: topic, payload: Array(text.utf8), retain: retain)
        try await until("acknowledged") { $0.outcome(of: token) != nil }
        guard let outcome = outcome(of: token) else { throw TestFailure("no outcome") }
        return outcome
    }

    func stop(publishing last: [MQTTPublication] = []) async throws {
        link.stop(publishing: last)
        try await until("stopped") { $0.events.last == .stopped }
    }
}

extension LinkTiming {
    /// Waits of tenths of a second.
    static var quick: LinkTiming {
        var timing = LinkTiming()
        timing.firstWait = 0.2
        timing.longestWait = 0.5
        return timing
    }
}

extension BrokerOptions {
    init(_ url: String, _ clientID: String) throws {
        self.init(address: try BrokerAddress(url: url), clientID: clientID)
    }
}
