import DIMP
import Format
import Records

/// Our own cards in the directory of retained topics: published on every broker, watched, and put back when somebody
/// changed them, with pauses that grow while that goes on. Presence is a statement on a topic of the same kind: what it says
/// is `Clones`' matter, when it is said again is decided here.
struct OwnCards {
    private var repairs: [RetainedTopic: Repair] = [:]

    /// A retained topic on one broker.
    struct RetainedTopic: Hashable {
        var topic: Topic
        var broker: String
    }

    private struct Repair {
        /// When our card was put back, in seconds lived, and how long it is left alone since then.
        var last: Double
        var pause: Double
        /// It is wrong now.
        var isDue: Bool
    }

    /// Has the broker keep our topics, and shows it every card.
    func publish(on broker: String, publishing: inout Publishing, in context: inout Context) {
        for identity in context.book.identities {
            for topic in [Topic.meta(identity.id.address), .visa(identity.id.address)] {
                guard let card = card(on: topic, in: context) else { continue }
                publishing.publish(
                    PendingPublication(topic: topic, payload: card, purpose: .courtesy, broker: broker), in: &context)
            }
        }
    }

    /// What a broker shows as one of our cards: put back when somebody changed it, at once the first time.
    mutating func inspect(
        _ bytes: [UInt8], on topic: Topic, of broker: String, publishing: inout Publishing, in context: inout Context
    ) throws(LedgerError) {
        let place = RetainedTopic(topic: topic, broker: broker)
        guard let expected = card(on: topic, in: context), bytes != expected else {
            return isRight(place)
        }
        let lived = context.now.lived
        guard var repair = repairs[place], lived < repair.last + Tuning.longestRepairPause else {
            repairs[place] = Repair(last: lived, pause: Tuning.firstRepairPause, isDue: false)
            let isOlder = isOlderVisa(bytes, on: topic, in: context)
            return try putBack(expected, at: place, isOlder: isOlder, publishing: &publishing, in: &context)
        }
        repair.isDue = true
        repairs[place] = repair
    }

    /// The topic shows what it should.
    mutating func isRight(_ place: RetainedTopic) {
        repairs[place]?.isDue = false
    }

    /// Our presence does not stand where it should: stated again in a minute, and more seldom when that goes on.
    mutating func wantStatement(at place: RetainedTopic, in context: Context) {
        let lived = context.now.lived
        var repair = repairs[place] ?? Repair(last: lived, pause: Tuning.firstRepairPause, isDue: true)
        if lived >= repair.last + Tuning.longestRepairPause { repair.pause = Tuning.firstRepairPause }
        repair.isDue = true
        repairs[place] = repair
    }

    /// Puts back what was left alone for long enough. Returns the topics on which our presence is to be stated again.
    mutating func repairDue(
        publishing: inout Publishing, in context: inout Context
    ) throws(LedgerError) -> [RetainedTopic] {
        var statements: [RetainedTopic] = []
        for (place, repair) in repairs where repair.isDue && context.now.lived >= repair.last + repair.pause {
            repairs[place] = Repair(
                last: context.now.lived, pause: min(repair.pause * 2, Tuning.longestRepairPause), isDue: false)
            guard publishing.isConnected(to: place.broker) else { continue }
            if case .state = place.topic {
                statements.append(place)
            } else if let expected = card(on: place.topic, in: context) {
                try putBack(expected, at: place, isOlder: false, publishing: &publishing, in: &context)
            }
        }
        return statements
    }

    /// Nothing is put back on a broker that is gone.
    mutating func forget(broker: String) {
        repairs = repairs.filter { $0.key.broker != broker }
    }

    /// Nothing is put back that is an identity's no more.
    mutating func forgetForeign(in context: Context) {
        repairs = repairs.filter { context.book.isOurs($0.key.topic.address) }
    }

    var nextDue: Double? {
        repairs.values.lazy.filter(\.isDue).map { $0.last + $0.pause }.min()
    }

    /// One that we signed before the present one, as it stands there after new keys until ours has come.
    private func isOlderVisa(_ bytes: [UInt8], on topic: Topic, in context: Context) -> Bool {
        guard case .visa(let address) = topic, bytes.count <= context.policy.directorySize,
            let identity = context.book.identity(address), let json = try? JSON(parsing: bytes),
            let visa = try? Document(json)
        else { return false }
        return visa.time < identity.visa.time && (try? visa.check(about: identity.id, meta: identity.meta)) != nil
    }

    private func putBack(
        _ card: [UInt8], at place: RetainedTopic, isOlder: Bool, publishing: inout Publishing,
        in context: inout Context
    ) throws(LedgerError) {
        if isOlder {
            try context.note(
                .visa, level: .info, text: "an older visa of ours stood at broker \(place.broker)",
                broker: place.broker,
                reason: "older-visa")
        } else {
            context.counts.cardsPutBack += 1
            try context.note(
                .visa, level: .warning, text: "somebody changed our own retained card; it was put back",
                broker: place.broker,
                reason: "card-changed")
        }
        publishing.publish(
            PendingPublication(topic: place.topic, payload: card, purpose: .courtesy, broker: place.broker),
            in: &context)
    }

    private func card(on topic: Topic, in context: Context) -> [UInt8]? {
        switch topic {
        case .meta(let address): context.book.identity(address).map { JSON.object($0.meta.json).bytes }
        case .visa(let address): context.book.identity(address).map { JSON.object($0.visa.json).bytes }
        case .state, .inbox, .acknowledgements, .piece: nil
        }
    }
}
