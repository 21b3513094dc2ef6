import System
import Transport

/// A broker in memory, for links in the same process. It has retained topics, sessions, wills and the acknowledgements of
/// QoS 1, "no client is subscribed" among them. It speaks no MQTT: `LoopbackLink` calls it.
@MainActor
package final class LoopbackBroker {
    /// What outlives the connection of a client.
    private struct Session {
        var filters: Set<TopicFilter> = []
        var queue: [Message] = []
    }

    struct Message {
        var topic: String
        var payload: [UInt8]
        var isRetained = false
        /// The moment after which it need not be delivered, by the clock of `KernelClock.boottime`.
        var end: Double?
    }

    /// While it does not run, every attempt to connect fails. Sessions and retained topics are kept all the same.
    package private(set) var isRunning = true
    private var retained: [String: [UInt8]] = [:]
    private var sessions: [String: Session] = [:]
    private var connected: [String: LoopbackLink] = [:]

    /// The longest packet that it takes, and says so.
    package var packetLimit: Int64?
    /// Ends the connection instead of taking such a publication, without a word.
    package var endsConnection: (_ topic: String, _ bytes: Int) -> Bool = { _, _ in false }
    /// How many topics it grants to one client.
    package var subscriptions = Int.max
    package var accepts: (_ clientID: String) -> Bool = { _ in true }
    package var takesWills = true

    package init() {}

    // MARK: what a test does to it

    /// The clients of which it has a session.
    package var clients: [String] { sessions.keys.sorted() }

    package func stop() {
        isRunning = false
        for client in connected.keys { cut(client) }
    }

    package func restart() { isRunning = true }

    /// Breaks a client's connection as a network does: its will is published.
    package func cut(_ client: String) {
        guard let link = connected[client] else { return }
        detach(link, isClean: false)
        link.lose(because: "the broker ended the connection")
    }

    // MARK: what links do

    /// Takes the connection away from another link with the same client id.
    ///
    /// - Returns: whether there was a session.
    func attach(_ link: LoopbackLink, startsClean: Bool) -> Bool {
        let client = link.options.clientID
        if let other = connected[client] {
            keep(other.unread, for: client)
            connected[client] = nil
            other.lose(because: "the broker ended the connection: session taken over", isTakenOver: true)
        }
        if startsClean { sessions[client] = nil }
        let isPresent = sessions[client] != nil
        connected[client] = link
        let queue = sessions[client]?.queue ?? []
        sessions[client, default: Session()].queue = []
        for message in queue where message.end.map({ $0 > KernelClock.boottime.now }) ?? true { link.deliver(message) }
        return isPresent
    }

    func detach(_ link: LoopbackLink, isClean: Bool) {
        let client = link.options.clientID
        guard connected[client] === link else { return }
        connected[client] = nil
        keep(link.unread, for: client)
        if link.options.sessionExpiry == 0 { sessions[client] = nil }
        guard !isClean, takesWills, let will = link.options.will else { return }
        publish(Message(topic: will.topic, payload: will.payload), isRetained: will.retain)
    }

    /// Hands the message to all who are subscribed, or to their sessions.
    @discardableResult
    func publish(_ message: Message, isRetained: Bool) -> PublishOutcome {
        if isRetained { retained[message.topic] = message.payload.isEmpty ? nil : message.payload }
        let readers = sessions.filter { $0.value.filters.contains { $0.matches(message.topic) } }.keys
        for client in readers {
            if let link = connected[client] { link.deliver(message) } else { keep([message], for: client) }
        }
        return readers.isEmpty ? .nobody : .accepted
    }

    /// What is retained there follows.
    func subscribe(_ link: LoopbackLink, to filters: [TopicFilter]) {
        sessions[link.options.clientID]?.filters.formUnion(filters)
        for (topic, payload) in retained.sorted(by: { $0.key < $1.key }) {
            guard filters.contains(where: { $0.matches(topic) }) else { continue }
            link.deliver(Message(topic: topic, payload: payload, isRetained: true))
        }
    }

    /// Those of the filters that are granted: as many as there is room for.
    func granted(_ filters: [TopicFilter], to link: LoopbackLink) -> [TopicFilter] {
        let known = sessions[link.options.clientID]?.filters ?? []
        return Array(filters.prefix(max(0, subscriptions - known.subtracting(filters).count)))
    }

    func unsubscribe(_ link: LoopbackLink, from filters: [TopicFilter]) {
        sessions[link.options.clientID]?.filters.subtract(filters)
    }

    private func keep(_ messages: [Message], for client: String) {
        sessions[client]?.queue += messages
    }
}
