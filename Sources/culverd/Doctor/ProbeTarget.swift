import DIMP
import Diagnostics
import Transport

/// A broker that a probe tries out, and for which identities.
struct ProbeTarget {
    var setting: BrokerSetting
    var identities: [Identity]
    /// The daemon's own link speaks MQTT 3.1.1.
    var isOld = false
    /// What the broker grants to the daemon's own link, and how many seconds a message of this board waits at most.
    var greeting: Greeting?
    var expiry = 0
    /// What the daemon's own link has to say; `nil` when it is connected.
    var trouble: String?

    @MainActor var advice: BrokerAdvice {
        let (options, address) = (setting.options, setting.options.address)
        var (host, port): (String?, UInt16?)
        if case .network(let named, let number) = address.place { (host, port) = (named, number) }
        return BrokerAdvice(
            on: BrokerFacts(
                name: options.name,
                section: BrokerSettings(name: options.name).section,
                url: setting.url, host: host, port: port, isEncrypted: address.isEncrypted, username: options.username,
                rootDoubt: setting.topics.doubt, speaksFive: options.knowledge.speaksFive, trouble: trouble))
    }

    var inboxes: [String] { identities.map { setting.topics.text(.inbox($0.id.address)) } }
    var acknowledgements: [String] { identities.map { setting.topics.text(.acknowledgements($0.id.address)) } }
    /// What others write to.
    var writable: [String] { inboxes + acknowledgements }

    /// Retained topics that ought to hold something. Presence is stated for the first identity alone.
    var cards: [String] {
        identities.flatMap { setting.topics.card($0.id.address) }
            + identities.prefix(1).map { setting.topics.text(.state($0.id.address)) }
    }

    /// A filter for all topics of the first identity.
    var ownTopics: String { identities.first.map { "\(setting.topics.root)/\($0.id.address)/#" } ?? "" }
}
