package import DIMP
package import Records

/// A ledger that is forgotten with the test. `state` is a value, so that a turn can be rolled back.
package final class MemoryLedger: Ledger {
    package struct State {
        /// As they were written; what is read of a sealed one is in part its shipment's.
        package var outgoing: [Outgoing] = []
        package var shipments: [Int64: Shipment] = [:]
        package var bodies: [Int64: Shipment.Ciphertext] = [:]
        package var incoming: [Incoming] = []
        package var accepted: [AcceptedRecord] = []
        package var parked: [Parked] = []
        package var events: [EventRecord] = []
        package var values: [LedgerKey: String] = [:]
        package var served: [ServedCall] = []
        package var callings: [Calling] = []
        package var answers: [CallAnswer] = []
        package var audit: [AuditLine] = []
        package var bridged: [BridgedMessage] = []
        package var pipes: [PipeRecord] = []
        package var pieces: [PipePiece] = []
        package var last: Int64 = 0
        /// Wall and lived time of every pruning.
        package var prunes: [[Double]] = []
    }

    package var state = State()
    package var inboxLimit = Int.max
    /// The consumer that is behind.
    package var slowest: String?
    package var parkedPerSender = 64
    /// Pruning says that there is more, so many times.
    package var morePrunes = 0
    /// The disk takes nothing more.
    package var isFull = false
    /// The disk fails once in so many writes.
    package var failures: (dice: Dice, times: Int)?

    package init() {}

    package func apply(_ change: Change) throws(LedgerError) {
        if let failures, failures.dice.once(in: failures.times) {
            throw LedgerError("cannot write: input/output error")
        }
        if isFull { throw LedgerError("cannot write: no space left on device", isFull: true) }
        state.last += 1
        switch change {
        case .outgoing(let row):
            put(row)
            keep(row.shipment)
        case .sealed(let shipment, let body, let rows):
            state.shipments[shipment.number] = shipment
            state.bodies[shipment.number] = body
            for row in rows {
                state.last += 1
                put(row)
            }
        case .attempted(let shipment):
            state.shipments[shipment.number]?.attempts = shipment.attempts
            state.shipments[shipment.number]?.due = shipment.due
            state.shipments[shipment.number]?.isHeld = shipment.isHeld && shipment.due != nil
        case .moved(let old, let new): move(old, to: new)
        case .served(let row):
            state.served.removeAll { $0.key == row.key }
            state.served.append(row)
        case .calling(let row): state.callings.append(row)
        case .answered(let row):
            if !state.answers.contains(where: { ($0.call, $0.part) == (row.call, row.part) }) {
                state.answers.append(row)
            }
        case .audit(let line): state.audit.append(line)
        case .pipe(let row): put(row)
        case .forgetPipe(let key): forget(key)
        case .piece(let piece):
            let isKnown = state.pieces.contains { $0.pipe == piece.pipe && $0.number == piece.number }
            if !isKnown, pipe(piece.pipe) != nil { state.pieces.append(piece) }
        case .incoming(var row):
            row.seq = state.last
            state.incoming.append(row)
        case .accepted(let row):
            if let index = state.accepted.firstIndex(where: {
                $0.owner == row.owner && $0.sender == row.sender && $0.digest == row.digest
            }) {
                state.accepted[index] = row
            } else {
                state.accepted.append(row)
            }
        case .receipted(let owner, let sender, let digest):
            let index = state.accepted.firstIndex {
                $0.owner == owner && $0.sender == sender && $0.digest == digest
            }
            if let index { state.accepted[index].isOwed = false }
        case .forgetAccepted(let owner, let sender):
            state.accepted.removeAll { $0.owner == owner && $0.sender == sender && $0.time == nil }
        case .park(let row): park(row)
        case .unpark(let number): state.parked.removeAll { $0.number == number }
        case .unparkAll(let sender): state.parked.removeAll { $0.sender.address == sender }
        case .event(let row): state.events.append(row)
        case .bridged(var row):
            if let index = state.bridged.firstIndex(where: { $0.place == row.place }) {
                state.bridged[index] = row
            } else {
                row.place = state.last
                state.bridged.append(row)
            }
        case .bridgedEnded(let place): state.bridged.removeAll { $0.place == place }
        case .forgetBridge(let name): state.bridged.removeAll { $0.bridge == name }
        case .value(let key, let value): state.values[key] = value
        case .forgetValues(let family):
            state.values = state.values.filter { !$0.key.text.hasPrefix(family.prefix) }
        }
    }

    private func move(_ old: Outgoing, to new: Outgoing) {
        for index in state.outgoing.indices
        where state.outgoing[index].shipment == old.shipment && state.outgoing[index].state == old.state {
            state.outgoing[index].state = new.state
            state.outgoing[index].reason = new.reason
            state.outgoing[index].published = state.outgoing[index].published ?? new.published
            state.outgoing[index].delivered = new.delivered
            state.outgoing[index].due = new.isLiving ? 0 : nil
        }
        keep(old.shipment)
    }

    /// A shipment without a living row is neither due nor held any more.
    private func keep(_ number: Int64?) {
        guard let number, !state.outgoing.contains(where: { $0.shipment == number && $0.isLiving }) else { return }
        state.shipments[number]?.due = nil
        state.shipments[number]?.isHeld = false
        state.bodies[number] = nil
    }

    /// With what is the shipment's.
    private func read(_ row: Outgoing) -> Outgoing {
        guard let shipment = row.shipment.flatMap({ state.shipments[$0] }) else { return row }
        var row = row
        row.attempts = shipment.attempts
        row.due = row.isLiving ? shipment.due : nil
        return row
    }

    private func put(_ row: Outgoing) {
        var row = row
        // Living or not, as the column says.
        if row.shipment != nil, row.isLiving { row.due = 0 }
        if let index = state.outgoing.firstIndex(where: { $0.id == row.id }) {
            row.order = state.outgoing[index].order
            state.outgoing[index] = row
        } else {
            row.order = state.last
            state.outgoing.append(row)
        }
    }

    private func park(_ row: Parked) {
        var row = row
        let isVerified = row.isVerified
        let sender = row.sender.address
        let isSame = { (other: Parked) in other.isVerified == isVerified && other.sender.address == sender }
        if state.parked.contains(where: { isSame($0) && $0.digest == row.digest && $0.receiver == row.receiver }) {
            return
        }
        row.number = state.last
        state.parked.append(row)
        if state.parked.count(where: isSame) > parkedPerSender, let oldest = state.parked.firstIndex(where: isSame) {
            state.parked.remove(at: oldest)
        }
    }

    package func prune(wall: Double, lived: Double) -> Bool {
        state.prunes.append([wall, lived])
        return state.prunes.count < morePrunes
    }
}

extension MemoryLedger: OutboxLedger {
    package func outgoing(id: String) -> Outgoing? { state.outgoing.first { $0.id == id }.map(read) }

    package func outgoing(sender: ID, receiver: ID, group: ID?, ref: String) -> Outgoing? {
        state.outgoing.first {
            $0.sender == sender && $0.receiver == receiver && $0.ref == ref && $0.recipient.group == group
        }.map(read)
    }

    package func outgoing(message id: String) -> [Outgoing] {
        state.outgoing.filter { $0.id == id || ($0.recipient.group != nil && $0.id.hasPrefix(id)) }.map(read)
    }

    package func outgoing(shipment number: Int64) -> [Outgoing] {
        state.outgoing.filter { $0.shipment == number }.map(read)
    }

    package func nextShipment() -> Int64 { (state.shipments.keys.max() ?? 0) + 1 }

    package func shipment(_ number: Int64) -> Shipment? { state.shipments[number] }

    package func shipment(digest: [UInt8]) -> Shipment? { state.shipments.values.first { $0.digest == digest } }

    package func shipment(digest: [UInt8], receiver: ID) -> Shipment? {
        state.shipments.values.first { $0.digest == digest && $0.receiver == receiver }
    }

    package func shipments(sn: Int64, receiver: ID) -> [Shipment] {
        Array(
            state.shipments.values.filter { $0.sn == sn && $0.receiver == receiver }.sorted { $0.number > $1.number }
                .prefix(8))
    }

    package func shipment(signature: [UInt8], receiver: ID, ids: Range<String>) -> Shipment? {
        let rows = state.outgoing.filter { $0.receiver == receiver && ids.contains($0.id) }
        return rows.lazy.compactMap { $0.shipment.flatMap { self.state.shipments[$0] } }
            .first { $0.signature == signature }
    }

    package func ciphertext(of shipment: Int64) -> Shipment.Ciphertext? { state.bodies[shipment] }

    package func dueShipments(at lived: Double, limit: Int) -> [Shipment] {
        let due = state.shipments.values.filter { shipment in shipment.due.map { $0 <= lived } ?? false }
        let longest = due.sorted { ($0.due ?? 0, $0.number) < ($1.due ?? 0, $1.number) }.prefix(limit)
        return longest.sorted { $0.number < $1.number }
    }

    package func heldShipments(receiver: ID, wasSent: Bool, limit: Int) -> [Shipment] {
        let found = held.filter { $0.receiver == receiver && ($0.attempts > 0) == wasSent }
        let best = found.map(\.priority).min()
        return Array(found.filter { $0.priority == best }.sorted { $0.number < $1.number }.prefix(limit))
    }

    package func heldReceivers(limit: Int) -> [ID] {
        Array(Set(held.map(\.receiver)).sorted { $0.text < $1.text }.prefix(limit))
    }

    private var held: [Shipment] { state.shipments.values.filter { $0.isHeld && $0.due != nil } }

    package func dueOutgoing(at lived: Double, limit: Int) -> [Outgoing] {
        let due = waiting.filter { row in row.due.map { $0 <= lived } ?? false }
        let longest = due.sorted { ($0.due ?? 0, $0.order) < ($1.due ?? 0, $1.order) }.prefix(limit)
        return portion(longest.sorted { $0.order < $1.order })
    }

    package func expiredOutgoing(at lived: Double, limit: Int) -> [Outgoing] {
        let expired = living.filter { $0.expires <= lived }
        let first = expired.sorted { ($0.expires, $0.order) < ($1.expires, $1.order) }.prefix(limit)
        return portion(first.sorted { $0.order < $1.order })
    }

    package func waitingOutgoing(receiver: ID, after order: Int64, limit: Int) -> [Outgoing] {
        portion(
            state.outgoing.filter { $0.state == .waiting && $0.receiver == receiver && $0.order > order }.prefix(limit))
    }

    package func awaitedReceivers(limit: Int) -> [ID] {
        let receivers = Set(state.outgoing.filter { $0.state == .waiting }.map(\.receiver))
        return Array(receivers.sorted { $0.text < $1.text }.prefix(limit))
    }

    package func livingOutgoing(sender: ID, limit: Int) -> [Outgoing] {
        portion(living.filter { $0.sender == sender }.prefix(limit))
    }

    package func nextDue() -> Double? {
        (waiting.compactMap(\.due) + state.shipments.values.compactMap(\.due)).min()
    }

    package func nextExpiry() -> Double? { living.map(\.expires).min() }

    package func outboxSize() -> (count: Int64, bytes: Int64) {
        let ciphertexts = state.bodies.values.reduce(0) { $0 + Int64($1.data.count) }
        return (Int64(living.count), living.reduce(ciphertexts) { $0 + size(of: $1) })
    }

    private func size(of row: Outgoing) -> Int64 { Int64(row.content?.utf8.count ?? 0) }

    /// Up to the row with which they have 4 MiB.
    private func portion(_ rows: some Sequence<Outgoing>) -> [Outgoing] {
        var found: [Outgoing] = []
        var left: Int64 = 4 << 20
        for row in rows where left > 0 {
            found.append(row)
            left -= size(of: row)
        }
        return found
    }

    private var living: [Outgoing] { state.outgoing.lazy.filter(\.isLiving).map(read) }
    private var waiting: [Outgoing] { state.outgoing.filter { $0.isLiving && $0.shipment == nil } }
}

extension MemoryLedger: InboxLedger {
    package func inboxHasRoom(rows: Int, bytes: Int64) -> Bool { state.incoming.count + rows <= inboxLimit }

    package func laggard() -> String? { slowest }

    package func accepted(owner: Address, sender: Address, digest: [UInt8]) -> AcceptedRecord? {
        state.accepted.first { $0.owner == owner && $0.sender == sender && $0.digest == digest }
    }

    package func accepted(owner: Address, sender: Address, contentDigest: [UInt8]) -> AcceptedRecord? {
        state.accepted.first { $0.owner == owner && $0.sender == sender && $0.contentDigest == contentDigest }
    }

    package func owedReceipts(limit: Int) -> [AcceptedRecord] {
        Array(state.accepted.filter(\.isOwed).prefix(limit))
    }
}

extension MemoryLedger: ParkingLedger {
    package func parked(sender: Address, isVerified: Bool, after: Int64, limit: Int) -> [Parked] {
        Array(
            state.parked.filter {
                $0.isVerified == isVerified && $0.sender.address == sender && $0.number > after
            }.prefix(limit))
    }

    package func parkedSenders(isVerified: Bool, limit: Int) -> [ID] {
        var senders: [ID] = []
        for row in state.parked
        where row.isVerified == isVerified && !senders.contains(where: { $0.text == row.sender.text }) {
            senders.append(row.sender)
        }
        return Array(senders.prefix(limit))
    }
}

extension MemoryLedger: CallLedger {
    package func servedCall(_ key: ServedCall.Name) -> ServedCall? { state.served.first { $0.key == key } }
    package var servedCalls: Int64 { Int64(state.served.count) }
    package func begunCalls() -> [ServedCall] { state.served.filter { $0.answer == nil } }
    package func answeredCalls(deadlineAfter time: Double) -> [ServedCall] {
        state.served.filter { $0.answer != nil && $0.deadline > time }
    }
    package func calling(_ call: String) -> Calling? { state.callings.last { $0.call == call } }
    package func servedCalls(of caller: ID) -> Int64 { Int64(state.served.count { $0.key.caller == caller }) }
    package func hasRoom(for answer: CallAnswer, isFinal: Bool) -> Bool {
        state.answers.count { $0.call == answer.call } < (isFinal ? 4_096 : 4_095)
    }
    package func lastAudit() -> AuditLine? { state.audit.last }
}

extension MemoryLedger: BridgeLedger {
    private func line(_ bridge: String, _ direction: BridgedMessage.Way) -> [BridgedMessage] {
        state.bridged.filter { $0.bridge == bridge && $0.direction == direction }
    }

    package func readyBridged(
        bridge: String, direction: BridgedMessage.Way, limit: Int
    ) -> [BridgedMessage] {
        let all = line(bridge, direction)
        guard direction == .out else { return Array(all.prefix(limit)) }
        let firsts = all.filter { row in all.first { $0.topic == row.topic }?.place == row.place }
        return Array(firsts.filter { $0.sent == nil }.prefix(limit))
    }

    package func bridged(place: Int64) -> BridgedMessage? { state.bridged.first { $0.place == place } }

    package func bridged(
        bridge: String, direction: BridgedMessage.Way, topic: String
    ) -> BridgedMessage? {
        line(bridge, direction).last { $0.topic == topic }
    }

    package func sentBridged() -> [BridgedMessage] { state.bridged.filter { $0.sent != nil } }

    package func bridgedSize(bridge: String, direction: BridgedMessage.Way) -> (count: Int64, bytes: Int64) {
        let all = line(bridge, direction)
        return (Int64(all.count), all.reduce(0) { $0 + $1.size })
    }

    package var bridgesWithRows: [String] { Array(Set(state.bridged.map(\.bridge))) }
}

extension MemoryLedger: PipeLedger {
    private func put(_ row: PipeRecord) {
        if let index = state.pipes.firstIndex(where: { $0.key == row.key }) {
            state.pipes[index] = row
        } else {
            state.pipes.append(row)
        }
        state.pieces.removeAll { $0.pipe == row.key && (row.state == .over || $0.number < row.input.taken) }
        let over = state.pipes.filter { $0.state == .over }.sorted { ($0.due ?? 0) > ($1.due ?? 0) }
        for old in over.dropFirst(256) { forget(old.key) }
    }

    private func forget(_ key: PipeRecord.PipeKey) {
        state.pipes.removeAll { $0.key == key }
        state.pieces.removeAll { $0.pipe == key }
    }

    package func pipe(_ key: PipeRecord.PipeKey) -> PipeRecord? { state.pipes.first { $0.key == key } }
    package func pipe(output stream: String) -> PipeRecord? { state.pipes.first { $0.output.stream == stream } }
    package func pipes() -> [PipeRecord] { state.pipes }
    package func piece(_ number: Int64, of pipe: PipeRecord.PipeKey) -> PipePiece? {
        state.pieces.first { $0.pipe == pipe && $0.number == number }
    }
    package func openPipes(owner: Address, peer: Address) -> (ofPeer: Int64, all: Int64) {
        let open = state.pipes.filter { $0.state != .over }
        return (Int64(open.count { $0.key.owner == owner && $0.key.peer == peer }), Int64(open.count))
    }
    package var nextPipeDue: Double? { state.pipes.compactMap(\.due).min() }
}

extension MemoryLedger: ValueLedger {
    package func value(_ key: LedgerKey) -> String? { state.values[key] }

    package func values(_ family: LedgerKey.Family) -> [(key: LedgerKey, value: String)] {
        state.values.filter { $0.key.text.hasPrefix(family.prefix) }
            .sorted { $0.key.text.utf8.lexicographicallyPrecedes($1.key.text.utf8) }.map { ($0.key, $0.value) }
    }
}
