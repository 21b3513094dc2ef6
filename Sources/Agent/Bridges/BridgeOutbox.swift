import DIMP
import Format
import Records

/// What local brokers show that is for the peers of bridges: written down, and given to the outbox as far as it may go.
///
///     taken ──▶ ready ──▶ sent (in the outbox) ──its end──▶ gone
///                 ▲           │
///                 └───────────┘ a newer one took its place, or the outbox did not take it
///
/// Of one topic one message is on its way at a time, so that order is kept: the next one waits for its end. Under `latest`
/// it is replaced there. Nothing goes while the peer is known to be gone, so a peer that comes back gets the newest alone.
struct BridgeOutbox {
    /// Rows that the outbox has, or that are on their way into it, by place.
    private var underway: [Int64: SentRow] = [:]
    /// The same by the outbox's names for them.
    private var places: [String: Int64] = [:]
    private var flows: [String: Flow] = [:]
    /// Rows that the outbox could not write down: they are ready again.
    private var lost: Set<Int64> = []
    /// When a broker between the boards was first connected, in seconds lived; `nil` while none is.
    private var connectedAt: Double?
    private var hasBegun = false

    private struct SentRow {
        var bridge: String
        var version: Int64
        var size: Int64
        /// It went though the peer is said to be gone.
        var isProbe = false
        /// The outbox's name for it; `nil` until it is written down there.
        var id: String?
    }

    private struct Flow {
        /// Rows under way, and their bytes.
        var count = 0
        var bytes: Int64 = 0
        /// There may be rows that are ready.
        var mayWait = true
        /// When it is to be looked at again without an occasion, in seconds lived.
        var due: Double?
        /// The outbox refused one: nothing goes until then.
        var pausedUntil = -Double.infinity
        /// Since when rows wait because the peer is gone.
        var heldSince: Double?
        /// One went all the same, and has not come to its end.
        var isProbing = false
        /// A peer that is said to be gone and answers is not.
        var isAliveUntil = -Double.infinity
        var lookedUp = -Double.infinity
        /// When it was told last that something had no room, or was too large.
        var complained = -Double.infinity
    }

    /// Tells tokens of this machine from those of local programs, which count from 1.
    private static let mark: UInt64 = 1 << 63

    // MARK: - Beginning

    /// What was sent before the last end of the daemon is found in the outbox again, or goes again.
    mutating func configure(in context: inout Context) throws(LedgerError) {
        let names = context.policy.bridges.map(\.name)
        for (place, row) in underway {
            guard names.contains(row.bridge), try context.ledger.bridged(place: place) != nil else {
                leave(place)
                continue
            }
        }
        flows = flows.filter { names.contains($0.key) }
        for name in names { flows[name, default: Flow()].mayWait = true }
        guard !hasBegun else { return }
        hasBegun = true
        for row in try context.ledger.sentBridged() {
            guard let version = row.sent else { continue }
            let ref = Self.ref(row, version: version)
            let peer = context.policy.bridge(named: row.bridge)?.contact(in: context.book)
            let own = context.book.identities.first?.id.bare
            guard let peer, let own,
                let known = try context.ledger.outgoing(sender: own, receiver: peer, group: nil, ref: ref)
            else {
                try setReady(row, in: context)
                continue
            }
            begin(row, version: version)
            underway[row.place]?.id = known.id
            places[known.id] = row.place
            if known.state.isEnd { try ended(row.place, isDelivered: known.state == .delivered, in: &context) }
        }
    }

    // MARK: - A local broker shows a message

    mutating func take(_ message: LocalMessage, of bridge: String, in context: inout Context) throws(LedgerError) {
        // A broker may remember subscriptions that the configuration has no more.
        guard let rule = context.policy.bridge(named: bridge), rule.takes(message.topic),
            !context.policy.isOwn(message.topic)
        else { return }
        // What a broker of MQTT 3.1.1 marks as retained stood there when the bridge came.
        if rule.retain == .never, message.isRetained, !message.isMarkable { return }
        if message.isBridged || (!message.isMarkable && isPerhapsBridged(message.topic, in: context)) {
            context.counts.bridges[bridge, default: BridgeCounts()].looped += 1
            return
        }
        guard message.payload.count <= LocalMessage.payloadLimit, BridgeContent.isTopic(message.topic) else {
            return try drop(message, of: bridge, isTooLarge: true, in: &context)
        }
        var row = BridgedMessage(
            bridge: bridge, direction: .out, topic: message.topic, payload: message.payload, qos: message.qos,
            isRetained: message.isRetained && rule.retain == .asIs)
        let old =
            rule.keep == .latest
            ? try context.ledger.bridged(bridge: bridge, direction: .out, topic: message.topic) : nil
        guard Self.hasRoom(for: row, insteadOf: old, in: context.ledger) else {
            return try drop(message, of: bridge, isTooLarge: false, in: &context)
        }
        if let old {
            (row.place, row.version, row.sent) = (old.place, old.version + 1, old.sent)
            if old.sent != old.version { context.counts.bridges[bridge, default: BridgeCounts()].replaced += 1 }
        }
        try context.ledger.apply(.bridged(row))
        context.counts.bridges[bridge, default: BridgeCounts()].taken += 1
        flows[bridge, default: Flow()].mayWait = true
    }

    /// A broker that cannot say who published it: whatever a bridge of this board may publish counts as published by it.
    private func isPerhapsBridged(_ topic: String, in context: Context) -> Bool {
        context.policy.bridges.contains { $0.mayPublish(topic) }
    }

    /// Rows and bytes of one bridge and direction.
    static func hasRoom(for row: BridgedMessage, insteadOf old: BridgedMessage?, in ledger: any Ledger) -> Bool {
        let size = ledger.bridgedSize(bridge: row.bridge, direction: row.direction)
        return size.count + (old == nil ? 1 : 0) <= Tuning.bridgedRows
            && size.bytes + row.size - (old?.size ?? 0) <= Tuning.bridgedBytes
    }

    private mutating func drop(
        _ message: LocalMessage, of bridge: String, isTooLarge: Bool, in context: inout Context
    ) throws(LedgerError) {
        if isTooLarge {
            context.counts.bridges[bridge, default: BridgeCounts()].tooLarge += 1
        } else {
            context.counts.bridges[bridge, default: BridgeCounts()].withoutRoom += 1
        }
        guard context.now.lived >= flows[bridge, default: Flow()].complained + Tuning.refusalPause else { return }
        flows[bridge]?.complained = context.now.lived
        let why =
            isTooLarge
            ? "is larger than a bridge takes: \(message.payload.count) bytes" : "found no room: too much waits already"
        try context.note(
            .bridge, level: .warning, text: "bridge \(bridge): a message on \(message.topic.prefix(256)) \(why)",
            reason: isTooLarge ? "too-large" : "bridge-full")
    }

    // MARK: - Sending

    /// Messages for the outbox, of all bridges. They are marked as sent.
    mutating func next(
        publishing: Publishing, presence: inout PresenceWatch, lookups: inout Lookups, in context: inout Context
    ) throws(LedgerError) -> [Submission] {
        guard hasBegun else { return [] }
        connectedAt = publishing.isConnected ? connectedAt ?? context.now.lived : nil
        for place in lost { if let row = try context.ledger.bridged(place: place) { try setReady(row, in: context) } }
        lost = []
        var submissions: [Submission] = []
        guard let since = connectedAt, let own = context.book.identities.first?.id else { return [] }
        for rule in context.policy.bridges where flows[rule.name]?.mayWait == true {
            guard var flow = flows[rule.name], Self.hasWindow(flow) else { continue }
            let room = try self.room(
                in: &flow, of: rule, since: since, presence: &presence, lookups: &lookups, in: &context)
            flows[rule.name] = flow
            guard let (peer, count, isProbe) = room else { continue }
            let rows = try context.ledger.readyBridged(bridge: rule.name, direction: .out, limit: count)
            if rows.count < count { flows[rule.name]?.mayWait = false }
            for var row in rows {
                guard flows[rule.name].map(Self.hasWindow) == true else {
                    flows[rule.name]?.mayWait = true
                    break
                }
                guard rule.takes(row.topic) else {
                    try context.ledger.apply(.bridgedEnded(place: row.place))
                    continue
                }
                row.sent = row.version
                try context.ledger.apply(.bridged(row))
                begin(row, version: row.version, isProbe: isProbe)
                submissions.append(
                    Submission(
                        token: Self.mark | UInt64(row.place), sender: own, receiver: peer, type: .customized,
                        members: BridgeContent.members(of: row, sender: own.address),
                        ref: Self.ref(row, version: row.version)))
            }
        }
        return submissions
    }

    /// To whom and how many may go now; `nil` when none may, and then `flow` says when to look again.
    private func room(
        in flow: inout Flow, of rule: BridgeRule, since connectedAt: Double, presence: inout PresenceWatch,
        lookups: inout Lookups, in context: inout Context
    ) throws(LedgerError) -> (peer: ID, count: Int, isProbe: Bool)? {
        let now = context.now.lived
        flow.due = nil
        if now < flow.pausedUntil {
            flow.due = flow.pausedUntil
            return nil
        }
        guard let peer = rule.contact(in: context.book) else { return nil }
        // What is not sealed would be refused, and only a culver agent gets what is.
        guard context.book.visa(of: peer) != nil, context.book.isCulver(peer) else {
            if now >= flow.lookedUp + Tuning.lookupLife {
                flow.lookedUp = now
                lookups.lookUp(peer, isWanted: true, in: &context)
            }
            return nil
        }
        if presence.presence(of: peer) == nil { try presence.watch(peer, in: &context) }
        let count = Tuning.bridgeWindow - flow.count
        switch presence.presence(of: peer)?.state ?? .unknown {
        case .online: break
        case .unknown:
            // A broker that has just been connected may show in a moment that the peer is gone.
            if now < connectedAt + Tuning.bridgeSettling {
                flow.due = connectedAt + Tuning.bridgeSettling
                return nil
            }
        case .gone where now < flow.isAliveUntil: return (peer, count, true)
        case .gone:
            let next = (flow.heldSince ?? now) + Tuning.bridgeProbePause
            flow.heldSince = flow.heldSince ?? now
            guard !flow.isProbing else { return nil }
            guard now >= next else {
                flow.due = next
                return nil
            }
            return (peer, 1, true)
        }
        flow.heldSince = nil
        return (peer, count, false)
    }

    /// When rows may go that nothing else wakes.
    var nextDue: Double? { flows.values.lazy.filter { $0.mayWait && Self.hasWindow($0) }.compactMap(\.due).min() }

    private static func hasWindow(_ flow: Flow) -> Bool {
        flow.count < Tuning.bridgeWindow && flow.bytes < Tuning.bridgeBytes
    }

    private mutating func begin(_ row: BridgedMessage, version: Int64, isProbe: Bool = false) {
        underway[row.place] = SentRow(bridge: row.bridge, version: version, size: row.size, isProbe: isProbe)
        flows[row.bridge, default: Flow()].count += 1
        flows[row.bridge]?.bytes += row.size
        if isProbe { flows[row.bridge]?.isProbing = true }
    }

    private mutating func leave(_ place: Int64) {
        guard let row = underway.removeValue(forKey: place) else { return }
        if let id = row.id { places[id] = nil }
        flows[row.bridge]?.count -= 1
        flows[row.bridge]?.bytes -= row.size
        if row.isProbe { flows[row.bridge]?.isProbing = false }
        flows[row.bridge]?.mayWait = true
    }

    /// By which a start finds it in the outbox again.
    private static func ref(_ row: BridgedMessage, version: Int64) -> String { "bridge \(row.place) \(version)" }

    private func setReady(_ row: BridgedMessage, in context: Context) throws(LedgerError) {
        var row = row
        row.sent = nil
        try context.ledger.apply(.bridged(row))
    }

    // MARK: - What the outbox says

    mutating func follow(_ effects: [Effect], in context: inout Context) throws(LedgerError) {
        guard !underway.isEmpty else { return }
        for effect in effects {
            switch effect {
            case .answer(let token, .accepted(let id, _, let state, _)):
                guard let place = Self.place(of: token), underway[place] != nil else { continue }
                underway[place]?.id = id
                places[id] = place
                let state = DeliveryState(rawValue: state)
                if state?.isEnd == true { try ended(place, isDelivered: state == .delivered, in: &context) }
            case .answer(let token, .refused(let refusal)):
                guard let place = Self.place(of: token), underway[place] != nil else { continue }
                try refused(place, because: refusal, in: &context)
            case .changed(let row) where row.state.isEnd:
                guard let place = places[row.id] else { continue }
                try ended(place, isDelivered: row.state == .delivered, in: &context)
            default: continue
            }
        }
    }

    /// The turn could not be written down, and nothing can be now.
    mutating func giveUp(_ effects: [Effect], at now: Moment) {
        for case .answer(let token, .refused) in effects {
            guard let place = Self.place(of: token), let row = underway[place] else { continue }
            leave(place)
            lost.insert(place)
            flows[row.bridge]?.pausedUntil = now.lived + Tuning.bridgePause
        }
    }

    private static func place(of token: UInt64) -> Int64? { token & mark == 0 ? nil : Int64(token & ~mark) }

    private mutating func refused(
        _ place: Int64, because refusal: Refusal, in context: inout Context
    ) throws(LedgerError) {
        guard let bridge = underway[place]?.bridge else { return }
        leave(place)
        guard var row = try context.ledger.bridged(place: place) else { return }
        if refusal.reason == "too-large" {
            try context.ledger.apply(.bridgedEnded(place: place))
            context.counts.bridges[bridge, default: BridgeCounts()].tooLarge += 1
            return
        }
        // Under another ref where somebody has used this one.
        if refusal.reason == "ref-reused" { row.version += 1 }
        flows[bridge]?.pausedUntil = context.now.lived + Tuning.bridgePause
        try setReady(row, in: context)
    }

    private mutating func ended(
        _ place: Int64, isDelivered: Bool, in context: inout Context
    ) throws(LedgerError) {
        guard let sent = underway[place] else { return }
        leave(place)
        if isDelivered {
            context.counts.bridges[sent.bridge, default: BridgeCounts()].delivered += 1
            if sent.isProbe { flows[sent.bridge]?.isAliveUntil = context.now.lived + Tuning.bridgeProbePause }
        } else {
            context.counts.bridges[sent.bridge, default: BridgeCounts()].undelivered += 1
        }
        guard let row = try context.ledger.bridged(place: place) else { return }
        guard row.version == sent.version else { return try setReady(row, in: context) }
        try context.ledger.apply(.bridgedEnded(place: place))
    }
}
