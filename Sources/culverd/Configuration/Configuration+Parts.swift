import Agent
import Format
import Store

/// What the parts of the daemon are told of it.
extension Configuration {
    /// What is asked for and does not exist yet, where going on without it would be dangerous.
    var missing: String? {
        keys.protect == .none
            ? nil : "[keys] protect: private keys cannot be encrypted yet, and only none says so truly"
    }

    /// What is asked for and does not exist yet, where going on without it is no more than less. It is told at every
    /// start and reading, and by --check.
    var unserved: [String] {
        guard keys.rotate != nil else { return [] }
        return ["[keys] rotate: this version does not change keys by itself; culver id rotate does it"]
    }

    var policy: Policy {
        var policy = Policy()
        policy.strangers = agent.strangers
        policy.receiptTimeout = Double(delivery.receiptTimeout)
        policy.expiry = Double(delivery.expiry)
        policy.messageSize = limits.message
        policy.json = JSONLimits(depth: limits.jsonDepth, values: limits.jsonValues)
        policy.outboxCount = limits.outboxMessages
        policy.outboxBytes = limits.outboxSize
        policy.directorySubscriptions = limits.directorySubscriptions
        policy.queryInterval = Double(limits.metaQueryInterval)
        policy.queriesPerMinute = limits.metaQueries
        policy.strangersPrivateOperations = Double(limits.strangerKeyOperations)
        policy.peerPrivateOperations = Double(limits.peerKeyOperations)
        policy.forwardDepth = limits.forwardDepth
        policy.forwardedMessages = limits.forwardMessages
        policy.arrayContents = limits.arrayContents
        policy.relaying = relay.relaying
        policy.calls = calls.map(\.rule)
        policy.bridges = bridges.map(\.rule)
        for broker in brokers where !policy.topicRoots.contains(broker.topicRoot) {
            policy.topicRoots.append(broker.topicRoot)
        }
        return policy
    }

    var storeLimits: StoreLimits {
        var store = StoreLimits()
        store.inboxRows = limits.inboxMessages
        store.inboxBytes = limits.inboxSize
        store.keep = Double(delivery.keep)
        store.parkedPerSender = limits.parkedPerSender
        store.parkedRows = limits.parkedMessages
        store.parkedBytes = limits.parkedSize
        store.parkedAge = Double(limits.parkedAge)
        store.events = limits.events
        return store
    }
}
