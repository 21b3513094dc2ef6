import DIMP

/// Whose cards are watched on the brokers, out of all that are looked for: as many as the configuration allows and every
/// broker grants, those that are written to before those that are merely known, and strangers last. What finds no place is
/// watched in turn, because a retained card comes as soon as its topic is asked for.
struct Watches {
    enum Want: Int, Comparable {
        /// Anybody can make up IDs.
        case stranger
        case known
        /// A message of ours waits for it.
        case writtenTo

        static func < (one: Want, two: Want) -> Bool { one.rawValue < two.rawValue }
    }

    private struct Watch {
        var want: Want
        /// Watched since then, in seconds lived; `nil` while it waits for its turn.
        var since: Double?
        /// When its last turn ended; long ago for one that had none.
        var left: Double

        /// Who waits goes in this order: a lower want is as good as a higher one that left so much later.
        var order: Double { left + Double(Want.writtenTo.rawValue - want.rawValue) * Tuning.watchHandicap }
    }

    private var places: [Address: Watch] = [:]
    /// How many a broker was found to grant.
    private var grants: [String: Int] = [:]
    /// When the next turn is taken; `nil` while nothing waits.
    private(set) var nextDue: Double?

    /// How many are watched, by want.
    private var counts = [0, 0, 0]

    private var watched: Int { counts.reduce(0, +) }

    private func room(in context: Context) -> Int {
        min(context.policy.directorySubscriptions, grants.values.min() ?? .max)
    }

    /// Watches it, at once where there is room or something of a lower want gives way.
    mutating func add(_ address: Address, want: Want, in context: inout Context) {
        let lived = context.now.lived
        if let known = places[address] {
            guard known.want < want else { return }
            places[address]?.want = want
            if known.since != nil {
                counts[known.want.rawValue] -= 1
                counts[want.rawValue] += 1
                return
            }
        } else {
            places[address] = Watch(want: want, left: lived - Tuning.watchHandicap * 60)
        }
        if watched >= room(in: context) {
            guard counts[..<want.rawValue].contains(where: { $0 > 0 }),
                let (victim, _) = leastWanted(where: { $0.want < want }).first
            else {
                nextDue = nextDue ?? lived + Tuning.watchTurn
                return
            }
            stop(victim, in: &context)
            nextDue = nextDue ?? lived + Tuning.watchTurn
        }
        begin(address, in: &context)
    }

    /// Of those that are watched, the least wanted and the longest watched first.
    private func leastWanted(where isMeant: (Watch) -> Bool) -> [(Address, Watch)] {
        places.filter { $0.value.since != nil && isMeant($0.value) }
            .map { ($0.key, $0.value) }
            .sorted { ($0.1.want, $0.1.since ?? 0) < ($1.1.want, $1.1.since ?? 0) }
    }

    mutating func remove(_ address: Address, in context: inout Context) {
        guard let place = places.removeValue(forKey: address) else { return }
        guard place.since != nil else { return }
        counts[place.want.rawValue] -= 1
        context.perform(.leave(address))
        if nextDue != nil { takeTurns(in: &context) }
    }

    /// Who has had its time gives way to who waits.
    mutating func takeTurns(in context: inout Context) {
        let lived = context.now.lived
        var free = room(in: context) - watched
        var leaving = leastWanted { free < 0 || lived >= ($0.since ?? lived) + Tuning.watchTurn }.map(\.0)[...]
        while free < 0, let address = leaving.popFirst() {
            stop(address, in: &context)
            free += 1
        }
        let waiting = places.filter { $0.value.since == nil && lived > $0.value.left }
            .sorted { ($0.value.order, $0.key.text) < ($1.value.order, $1.key.text) }
        for (address, _) in waiting {
            if free > 0 {
                free -= 1
            } else if free == 0, let gone = leaving.popFirst() {
                stop(gone, in: &context)
            } else {
                break
            }
            begin(address, in: &context)
        }
        plan(lived)
    }

    /// A broker that has just come is asked for all that are watched, the most wanted first.
    mutating func connected(in context: inout Context) {
        for (address, _) in leastWanted(where: { _ in true }).reversed() { context.perform(.watch(address)) }
        takeTurns(in: &context)
    }

    mutating func disconnected(_ broker: String) { grants[broker] = nil }

    /// The broker does not grant it: it grants no more than what is watched besides. A few are tried in any case.
    mutating func refused(_ address: Address, on broker: String, in context: inout Context) {
        guard places[address]?.since != nil else { return }
        stop(address, in: &context)
        grants[broker] = max(Tuning.leastWatched, watched)
        plan(context.now.lived)
    }

    private mutating func begin(_ address: Address, in context: inout Context) {
        guard let want = places[address]?.want else { return }
        counts[want.rawValue] += 1
        places[address]?.since = context.now.lived
        context.perform(.watch(address))
    }

    private mutating func stop(_ address: Address, in context: inout Context) {
        guard let want = places[address]?.want else { return }
        counts[want.rawValue] -= 1
        places[address]?.since = nil
        places[address]?.left = context.now.lived
        context.perform(.leave(address))
    }

    private mutating func plan(_ lived: Double) {
        let isAnyWaiting = places.values.contains { $0.since == nil }
        let first = places.values.compactMap(\.since).min() ?? lived
        nextDue = isAnyWaiting ? max(first + Tuning.watchTurn, lived + Tuning.leastWatchPause) : nil
    }
}
