import Agent
import DIMP
import Format
import Records
import TestSupport

/// Boards, brokers between them, and time that only passes when a test says so.
///
/// Jobs are done in the order in which they were given. Without trouble a parcel arrives at once and is acknowledged
/// at once; `trouble` loses, doubles and delays by the throw of a dice.
final class Pair {
    private(set) var boards: [Board]
    var now: Moment
    let dice: Dice
    var trouble = Trouble()
    /// Parcels as they were published, with the number of the board: what a test may look at, change and send again.
    private(set) var published: [(board: Int, parcel: Publication)] = []
    /// What brokers acknowledged, as `board` heard it, and how much was published until then.
    private(set) var taken: [(board: Int, parcel: UInt64, published: Int)] = []
    /// What a broker says to messages for an inbox; nil says what is true.
    var outcome: Outcome?
    /// The same for acknowledgements.
    var outcomeOfAcknowledgements: Outcome?
    /// Brokers take acknowledgements and deliver none, as where an ACL denies the topic.
    var isSwallowing = false
    var isAcknowledging = true
    /// A broker ends the connection over such a publication, without a word.
    var endsConnection: (Publication) -> Bool = { _ in false }
    /// The longest packet that every broker says it takes.
    var packetLimit: Int64?
    /// Entities whose cards a broker lets one board watch.
    var grants = Int.max

    /// One in so many; 0 is never.
    struct Trouble {
        /// Taken by the broker and lost there.
        var lost = 0
        var doubled = 0
        /// The acknowledgement never comes; the link breaks some seconds later.
        var held = 0
        /// Up to so many seconds.
        var delay = 0.0
    }

    private var shelves: [String: [Topic: [UInt8]]] = [:]
    /// The next one is the last.
    private var events: [Event] = []
    private var jobs: [(board: Int, job: Job)] = []
    private var lastEvent = 0

    private struct Event {
        var time: Double
        var number: Int
        var what: What

        enum What {
            case input(board: Int, Input, needs: String?)
            case cut(board: Int, broker: String)
            case link(board: Int, broker: String)
            /// The disk may work again.
            case retry(board: Int)
        }

        var turn: (Double, Int) { (time, number) }
    }

    static let start = 1_760_000_000.0

    init(_ boards: [Board], brokers: [String] = ["home"], seed: UInt64 = 1) {
        self.boards = boards
        dice = Dice(seed: seed)
        now = Moment(wall: Self.start, lived: 1000)
        for broker in brokers { shelves[broker] = [:] }
    }

    /// Two that know each other, linked to one broker.
    static func friends(seed: UInt64 = 1) -> Pair {
        let pair = Pair([Board([People.moki], seed: seed), Board([People.hulk], seed: seed &+ 1000)], seed: seed)
        pair.a.befriend(People.hulk)
        pair.b.befriend(People.moki)
        pair.linkAll()
        return pair
    }

    var a: Board { boards[0] }
    var b: Board { boards[1] }

    // MARK: - Doing

    func linkAll() {
        for broker in shelves.keys.sorted() { for board in boards.indices { link(board, broker) } }
        settle()
    }

    func link(_ board: Int, _ broker: String = "home") {
        guard boards[board].linked.insert(broker).inserted else { return }
        ending.remove("\(board) \(broker)")
        feed(board, .linked(broker: broker, room: 20, packetLimit: packetLimit))
    }

    func unlink(_ board: Int, _ broker: String = "home") {
        guard boards[board].linked.remove(broker) != nil else { return }
        events.removeAll { event in
            if case .input(board, .acknowledged, needs: broker) = event.what { true } else { false }
        }
        feed(board, .unlinked(broker: broker))
    }

    /// Feeds an input and carries out what follows, but not what follows from that.
    func feed(_ board: Int, _ input: Input) {
        if boards[board].isSilent { return }
        if case .acknowledged(let number, .taken) = input { taken.append((board, number, published.count)) }
        turn(board) { $0.handle(input, at: $1) }
    }

    private func turn(_ number: Int, _ body: (Board, Moment) -> [Effect]) {
        let board = boards[number]
        let wasHolding = board.isHolding
        carryOut(body(board, board.moment(now)), of: number)
        if !wasHolding, board.isHolding { later(.retry(board: number), 1, isExact: true) }
    }

    private func carryOut(_ effects: [Effect], of board: Int) {
        for effect in effects {
            switch effect {
            case .work(let job): jobs.append((board, job))
            case .publish(let parcel): publish(parcel, from: board)
            case .watch(let address):
                guard boards[board].watched.count <= grants else {
                    for broker in boards[board].linked {
                        later(.input(board: board, .watchRefused(address, broker: broker), needs: broker))
                    }
                    continue
                }
                show(address, to: board)
            case .watchStates(let addresses, let broker):
                for broker in broker.map({ [$0] }) ?? boards[board].linked.sorted() {
                    for address in addresses { show([.state(address)], to: board, on: broker) }
                }
            case .keep(let addresses, let broker):
                for address in addresses { show(address, to: board, on: broker) }
            case .standBack: boards[board].linked = []
            case .answer, .changed, .call, .bridge, .pipe, .leave, .leaveState, .abandon, .rejected, .file: break
            }
        }
    }

    /// Everything that can happen without time passing.
    func settle() {
        while true {
            if !jobs.isEmpty {
                let (board, job) = jobs.removeFirst()
                feed(board, done(job))
            } else if let event = events.last, event.time <= now.lived {
                events.removeLast()
                carryOut(event.what)
            } else {
                return
            }
        }
    }

    /// Lets time pass, with ticks when they are wanted.
    func advance(_ seconds: Double) {
        let end = now.lived + seconds
        settle()
        var wanted = boards.map { $0.nextTick(now) }
        while true {
            var next = end
            if let event = events.last { next = min(next, event.time) }
            for time in wanted { next = min(next, time) }
            next = max(next, now.lived)
            now.wall += next - now.lived
            now.lived = next
            for (number, board) in boards.enumerated() where wanted[number] <= next {
                board.ticks += 1
                feed(number, .ticked)
            }
            settle()
            wanted = boards.map { $0.nextTick(now) }
            if now.lived >= end { return }
        }
    }

    /// The power of a board is cut: its jobs are gone too.
    func restart(_ board: Int) {
        let brokers = boards[board].linked
        boards[board].restart()
        jobs.removeAll { $0.board == board }
        events.removeAll { event in
            switch event.what {
            case .input(let to, .acknowledged, _), .retry(let to): to == board
            default: false
            }
        }
        for broker in brokers.sorted() { link(board, broker) }
    }

    /// The pool fails once.
    var failNextSeal = false

    private func done(_ job: Job) -> Input {
        guard failNextSeal, case .seal(let sealing) = job.work else { return job.done() }
        failNextSeal = false
        return .sealed(sealing, .failure(.noEntropy))
    }

    /// The next thing that waits to happen now, jobs apart.
    func nextStep() -> (() -> Void)? {
        guard let event = events.last, event.time <= now.lived else { return nil }
        events.removeLast()
        return { self.carryOut(event.what) }
    }

    /// What follows from the next job alone, not carried out.
    func effectsOfNextJob() -> [Effect] {
        let (board, job) = jobs.removeFirst()
        return boards[board].handle(done(job), at: now)
    }

    /// At most so many jobs and events, so that a test can stop in the middle.
    func feedSome(_ count: Int) {
        for _ in 0..<count {
            if !jobs.isEmpty {
                let (board, job) = jobs.removeFirst()
                feed(board, done(job))
            } else if let step = nextStep() {
                step()
            }
        }
    }

    /// Drops the jobs that the pool has not begun.
    func dropJobs() { jobs = [] }
    var jobCount: Int { jobs.count }

    // MARK: - Sending

    @discardableResult
    func send(
        _ text: String, from board: Int = 0, to receiver: ID? = nil, ref: String? = nil, expiry: Double? = nil,
        wantsSignedReceipt: Bool = false, priority: Priority = .normal
    ) -> UInt64 {
        submit(
            .text, ["text": .string(text)], from: board, to: receiver, ref: ref, expiry: expiry,
            wantsSignedReceipt: wantsSignedReceipt, priority: priority)
    }

    @discardableResult
    func submit(
        _ type: ContentType, _ members: JSONObject, from board: Int = 0, to receiver: ID? = nil, ref: String? = nil,
        expiry: Double? = nil, wantsSignedReceipt: Bool = false, priority: Priority = .normal
    ) -> UInt64 {
        let token = boards[board].newToken()
        let to = receiver ?? boards[1 - board].id
        feed(
            board,
            .submitted(
                Submission(
                    token: token, sender: boards[board].id, receiver: to, type: type, members: members, ref: ref,
                    expiry: expiry, wantsSignedReceipt: wantsSignedReceipt, priority: priority)))
        return token
    }

    /// The row that was answered for this token.
    func row(_ token: UInt64, of board: Int = 0) -> Outgoing? {
        guard case .accepted(let id, _, _, _) = boards[board].answers[token] else { return nil }
        return boards[board].row(id)
    }

    /// What carries the message that was answered for this token.
    func shipment(_ token: UInt64, of board: Int = 0) -> Shipment? {
        row(token, of: board)?.shipment.flatMap { boards[board].ledger.shipment($0) }
    }

    /// Nothing is kept of the message but what a late receipt can name.
    func isSpent(_ token: UInt64, of board: Int = 0) -> Bool {
        guard let shipment = shipment(token, of: board) else { return false }
        return boards[board].ledger.ciphertext(of: shipment.number) == nil && shipment.due == nil
            && row(token, of: board)?.content == nil
    }

    /// Lays a message on the inbox of a board, as anybody can.
    func lay(_ message: ReliableMessage, on board: Int = 1) { lay(message.json.bytes, on: board) }

    func lay(_ wire: [UInt8], on board: Int = 1, at address: Address? = nil) {
        feed(board, .arrived(wire, at: address ?? boards[board].id.address))
        settle()
    }

    /// What a board laid on the inbox of an address.
    func messages(from board: Int, to address: Address) -> [ReliableMessage] {
        published.filter { $0.board == board && $0.parcel.topic == .inbox(address) }
            .compactMap { try? ReliableMessage(parsing: $0.parcel.payload) }
    }

    /// What a board laid on the topic `ack` of an address.
    func acknowledgements(from board: Int, to address: Address) -> [Acknowledgement] {
        published.filter { $0.board == board && $0.parcel.topic == .acknowledgements(address) }
            .compactMap { try? Acknowledgement(parsing: $0.parcel.payload) }
    }

    /// Lays one on the topic of a board, as anybody can.
    func lay(acknowledgement bytes: [UInt8], on board: Int = 0) {
        feed(board, .confirmed(bytes, at: boards[board].id.address))
        settle()
    }

    /// How often presence was stated.
    private(set) var statements = 0
    /// Messages that a board sent again though it knew that a broker had taken them.
    func sentAgain(by board: Int) -> Int {
        let digests = published.map { sent -> [UInt8]? in
            guard sent.board == board, case .inbox = sent.parcel.topic else { return nil }
            return (try? ReliableMessage(parsing: sent.parcel.payload))?.secure.data
        }
        return taken.count { word in
            guard word.board == board,
                let index = published[..<word.published].lastIndex(where: {
                    $0.board == board && $0.parcel.number == word.parcel
                }), let digest = digests[index]
            else { return false }
            return digests[word.published...].contains(digest)
        }
    }

    func forgetPublished() { published = [] }

    /// A broker dies and comes back with an empty disk: no queue, no session, no retained topic.
    func wipe(_ broker: String) {
        for board in boards.indices { unlink(board, broker) }
        events.removeAll { event in
            if case .input(_, _, needs: broker) = event.what { true } else { false }
        }
        sessions = sessions.filter { !$0.hasSuffix(" \(broker)") }
        shelves[broker] = [:]
    }

    var brokers: [String] { shelves.keys.sorted() }

    /// What a broker shows; a test may put something there itself.
    func shelf(_ place: Topic, on broker: String = "home") -> [UInt8]? { shelves[broker]?[place] }

    func put(_ bytes: [UInt8], at place: Topic, on broker: String = "home") {
        shelves[broker]?[place] = bytes
        for board in boards.indices where sees(board, place, broker) {
            feed(board, .found(place, bytes, broker: broker))
        }
        settle()
    }

    func putCard(of identity: Identity, visa: Document? = nil, on broker: String = "home") {
        put(JSON.object(identity.meta.json).bytes, at: .meta(identity.id.address), on: broker)
        put(JSON.object((visa ?? identity.visa).json).bytes, at: .visa(identity.id.address), on: broker)
    }

    // MARK: - The post

    /// Connections that a broker is about to end, by board and broker: nothing more is answered.
    private var ending: Set<String> = []

    private func publish(_ parcel: Publication, from board: Int) {
        published.append((board, parcel))
        let connection = "\(board) \(parcel.broker)"
        if ending.contains(connection) { return }
        if endsConnection(parcel) {
            ending.insert(connection)
            return later(.cut(board: board, broker: parcel.broker))
        }
        if parcel.topic.isRetained {
            if case .state = parcel.topic { statements += 1 }
            shelves[parcel.broker]?[parcel.topic] = parcel.payload
            for other in boards.indices where sees(other, parcel.topic, parcel.broker) {
                later(
                    .input(
                        board: other, .found(parcel.topic, parcel.payload, broker: parcel.broker), needs: parcel.broker)
                )
            }
            return acknowledge(parcel, .taken, board)
        }
        let (address, isMessage) = (parcel.topic.address, parcel.topic == .inbox(parcel.topic.address))
        let receivers = boards.indices.filter {
            (address.isBroadcast ? boards[$0].hearsBroadcasts : boards[$0].book.identity(address) != nil)
                && isKnown($0, parcel.broker)
        }
        let word = (isMessage ? outcome : outcomeOfAcknowledgements) ?? (receivers.isEmpty ? .nobody : .taken)
        if word == .taken, !dice.once(in: trouble.lost), isMessage || !isSwallowing {
            for receiver in receivers {
                for _ in 0..<(dice.once(in: trouble.doubled) ? 2 : 1) {
                    let input: Input =
                        isMessage ? .arrived(parcel.payload, at: address) : .confirmed(parcel.payload, at: address)
                    later(.input(board: receiver, input, needs: parcel.broker), trouble.delay)
                }
            }
        }
        if dice.once(in: trouble.held) {
            later(.cut(board: board, broker: parcel.broker), 5)
        } else {
            acknowledge(parcel, word, board)
        }
    }

    private func acknowledge(_ parcel: Publication, _ outcome: Outcome, _ board: Int) {
        guard isAcknowledging || parcel.topic.isRetained else { return }
        later(.input(board: board, .acknowledged(parcel.number, outcome), needs: parcel.broker), trouble.delay)
    }

    private func later(_ what: Event.What, _ delay: Double = 0, isExact: Bool = false) {
        lastEvent += 1
        let wait = delay > 0 && !isExact ? dice.seconds(upTo: delay) : delay
        let event = Event(time: now.lived + wait, number: lastEvent, what: what)
        var (low, high) = (0, events.count)
        while low < high {
            let middle = (low + high) / 2
            if events[middle].turn > event.turn { low = middle + 1 } else { high = middle }
        }
        events.insert(event, at: low)
    }

    private func carryOut(_ what: Event.What) {
        switch what {
        case .input(let board, let input, let broker):
            if let broker, !boards[board].linked.contains(broker) {
                // The session keeps messages; acknowledgements end with the connection.
                switch input {
                case .arrived, .confirmed: later(what, 1)
                default: break
                }
                return
            }
            feed(board, input)
        case .cut(let board, let broker):
            unlink(board, broker)
            later(.link(board: board, broker: broker), 1)
        case .link(let board, let broker): link(board, broker)
        case .retry(let board): retry(board)
        }
    }

    private func retry(_ board: Int) {
        boards[board].retryHeld()
        while boards[board].backlog > 0 { turn(board) { $0.turn(at: $1) } }
    }

    /// Whether the broker has a session of this board.
    private func isKnown(_ board: Int, _ broker: String) -> Bool {
        boards[board].isSilent ? boards[board].linked.contains(broker) : sessions.contains("\(board) \(broker)")
    }
    private var sessions: Set<String> = []

    private func show(_ address: Address, to board: Int) {
        for broker in boards[board].linked.sorted() { show(address, to: board, on: broker) }
    }

    private func show(_ address: Address, to board: Int, on broker: String) {
        if boards[board].book.identity(address) != nil { sessions.insert("\(board) \(broker)") }
        let isOwn = boards[board].book.identity(address) != nil
        show([.visa(address), .meta(address)] + (isOwn ? [.state(address)] : []), to: board, on: broker)
    }

    private func show(_ places: [Topic], to board: Int, on broker: String) {
        for place in places {
            guard let bytes = shelves[broker]?[place] else { continue }
            later(.input(board: board, .found(place, bytes, broker: broker), needs: broker))
        }
    }

    private func sees(_ board: Int, _ place: Topic, _ broker: String) -> Bool {
        switch place {
        case .inbox, .acknowledgements, .piece: false
        case .meta(let address), .visa(let address):
            boards[board].linked.contains(broker)
                && (boards[board].watched.contains(address) || boards[board].book.identity(address) != nil)
        case .state(let address):
            boards[board].linked.contains(broker)
                && (boards[board].watchedStates.contains(address) || boards[board].book.identity(address) != nil)
        }
    }
}
