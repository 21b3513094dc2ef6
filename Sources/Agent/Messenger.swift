import Crypto
package import DIMP
import Format
package import Records

/// The agent that sends and receives: the seed's Messanger. Decides, and does nothing: it reads and writes the ledger and
/// the address book of an open turn, and says in effects what is to follow once that turn is on disk.
///
/// It owns the machines, each of which keeps one worry to itself, and says in which order they are asked. What a machine
/// cannot do alone it returns, and the messenger passes it on. `roads.md` walks through a message out and a message in.
///
///     Outgoing/    Outbox    Sending, Delivery    what is accepted, sealed, sent, and how far it came
///     Incoming/    Admission Parking Acceptance Forwards Relay Gaps    the checks; who waits; what follows; what is missing
///     Receipts/    ReceiptSender ReceiptMatcher    the word that closes a message, given and taken
///     Directory/   Lookups CardChecks OwnCards OwnVisas Answering Removal    others' cards and our own
///     Groups/      Groups    who belongs to a group, and who hears of it
///     Publishing/  Publishing    the one flow control towards brokers
///     Clones/      Clones PresenceWatch    another board with our keys; how contacts are
///     Files/       Files    FileExchange    files in pieces
///     Calls/       ServedCalls CallAnswers    what others have this board do, and what they answer
///     Bridges/     BridgeOutbox BridgeInbox    topics of local brokers
///     Pipes/       Pipes    streams of bytes between programs of two boards
package struct Messenger {
    private var context: Context
    private var outbox = Outbox()
    private var publishing = Publishing()
    private var receipts = ReceiptSender()
    private var admission: Admission
    private var parking = Parking()
    private var acceptance: Acceptance
    private var gaps = Gaps()
    private var calls = ServedCalls()
    private var bridges = Bridges()
    private var pipes = Pipes()
    private var forwards = Forwards()
    private var groups = Groups()
    private var lookups: Lookups
    private var cards = OwnCards()
    private var visas = OwnVisas()
    private var clones = Clones()
    private var presence = PresenceWatch()
    private var files = Files()
    /// When the ledger is pruned next, in seconds lived.
    private var nextPruning: Double?

    package init(
        book: any AddressBook, ledger: any Ledger, policy: Policy, random: @escaping @Sendable () -> UInt64,
        matches: @escaping @Sendable (_ pattern: String, _ text: String) -> Bool = { _, _ in false }
    ) {
        context = Context(policy: policy, ledger: ledger, book: book, random: random, matches: matches)
        admission = Admission(policy)
        acceptance = Acceptance(policy)
        lookups = Lookups(policy)
    }

    package var policy: Policy {
        get { context.policy }
        set { context.policy = newValue }
    }

    /// What this program says that it is, to a contact that pings.
    package var agent: String {
        get { context.agent }
        set { context.agent = newValue }
    }

    package var counts: Counts { context.counts }
    /// The older start of another board with our keys, for which this one stands back.
    package var olderBoard: OlderBoard? { clones.olderBoard }

    /// Messages of strangers that wait until they may be checked, and their bytes: with many of them nothing more should be
    /// read.
    package var heldBack: (count: Int, bytes: Int) { admission.heldBack }

    /// Publications that wait for room on this broker.
    package func backlog(of broker: String) -> Int { publishing.backlog(of: broker) }

    /// How many pieces of a file are where it goes; `nil` when it is not under way.
    package func pieces(of file: String) -> Int? { files.count(of: file) }

    /// The longest payload that every connected broker takes, as far as that is known, in bytes.
    package func payloadLimit(at now: Moment) -> Int64? { publishing.payloadLimit(at: now.lived) }

    /// What a culver peer takes, as its visa says.
    package func abilities(of id: ID) -> Abilities { context.book.abilities(of: id) }

    /// Bytes of visas that wait for their metas.
    package var heldVisaBytes: Int { lookups.heldVisaBytes }

    /// How this contact was seen last; `nil` for one that is not watched.
    package func presence(of id: ID) -> PeerPresence? { presence.presence(of: id) }

    /// The contacts whose presence is watched.
    package var watchedContacts: [ID] { presence.watched }

    // MARK: - The door

    /// Everything that follows from one input. When it throws, the turn must be rolled back and the messenger put back
    /// to what it was.
    package mutating func handle(_ input: Input, at now: Moment) throws(LedgerError) -> [Effect] {
        context.now = now
        _ = context.takeEffects()
        switch input {
        case .submitted(let submission) where submission.isGroupCommand:
            try groups.submit(submission, standingBackFor: clones.olderBoard?.did, in: &context)
        case .submitted(let submission):
            try outbox.submit(
                submission, standingBackFor: clones.olderBoard?.did, lookups: &lookups, publishing: publishing,
                in: &context)
            try presence.watch(submission.receiver, in: &context)
        case .cancelled(let id, let token): try outbox.cancel(id, token: token, in: &context)
        case .sealed(let sealing, let result): try sealed(sealing, as: result)
        case .verified(let verifying, let result):
            try follow(admission.verified(verifying, as: result, in: &context), of: verifying.arrival)
        case .unwrapped(let unwrapping, let result):
            try follow(admission.unwrapped(unwrapping, as: result, in: &context), of: unwrapping.arrival)
        case .lookedInside(let arrival, let meta): try lookedInside(arrival, found: meta)
        case .signed(let signing, let payload):
            if let payload { clones.signed(signing, as: payload, publishing: &publishing, in: &context) }
        case .renewed(let signing, let visa):
            if try visas.renewed(signing, as: visa, in: &context) { publishCards() }
        case .checked(let check, let result): try passOn(lookups.checked(check, as: result, in: &context))
        case .inspected(let check, let statement): try inspected(check, as: statement)
        case .arrived(let wire, let address):
            try arrived(wire, at: address)
        case .confirmed(let bytes, let address): try confirmed(bytes, at: address)
        case .found(let topic, let bytes, let broker): try found(bytes, on: topic, of: broker)
        case .linked(let broker, let room, let packetLimit):
            try connected(broker, room: room, packetLimit: packetLimit)
        case .unlinked(let broker): try disconnected(broker)
        case .watchRefused(let address, let broker): lookups.refused(address, on: broker, in: &context)
        case .stateRefused(let broker): presence.refused(on: broker, in: &context)
        case .presenceWanted(let id): try presence.watch(id, in: &context)
        case .acknowledged(let number, let outcome): try acknowledged(number, as: outcome)
        case .befriended(let id): try befriended(id)
        case .refusedStranger(let id):
            context.counts.requestsRefused += 1
            try parking.drop(of: id, in: context)
        case .forgot(let id): try forgot(id)
        case .identityGone(let id):
            try pipes.forget(id, in: &context)
            try outbox.failAll(of: id, in: &context)
        case .identitiesChanged: identitiesChanged()
        case .bridge(let news): try bridges.hear(news, in: &context)
        case .call(let news): for reply in try calls.heard(news, in: &context) { try send(reply) }
        case .pipe(let news): try submit(pipes.heard(news, in: &context))
        case .started(let boot, let at, let last): clones.begin(boot: boot, at: at, last: last)
        case .presence(let own): clones.set(own)
        case .restored: try numberAnew()
        case .file(let event): try follow(event)
        case .ticked: try tick()
        }
        for held in admission.release(in: context) {
            try follow(admission.goOn(with: held, in: &context), of: held.arrival)
        }
        try takeParked()
        try sendInTurn()
        try followPipes()
        receipts.sendGathered(publishing: publishing, in: &context)
        return try sendBridged(after: context.takeEffects())
    }

    /// What goes together out of all inputs of a turn. To be asked when it ends.
    mutating func endTurn(at now: Moment) -> [Effect] {
        context.now = now
        _ = context.takeEffects()
        receipts.sendAcknowledgements(publishing: &publishing, in: &context)
        return context.takeEffects()
    }

    /// What follows when the turn of this input could not be written down and nothing of it happened. Nothing is
    /// written: local programs are told, nothing waits for what will not come, and receipts that are owed still go.
    package mutating func giveUp(_ input: Input, because error: LedgerError, at now: Moment) -> [Effect] {
        context.now = now
        _ = context.takeEffects()
        let refusal = Refusal(
            error.isFull ? .notNow : .inputOutput, error.isFull ? "disk-full" : "not-written", error.description)
        switch input {
        case .submitted(let submission): context.answer(submission.token, with: .refused(refusal))
        case .pipe(.write(let wish)): context.answer(wish.token, with: .refused(refusal))
        case .cancelled(_, let token): context.answer(token, with: .refused(refusal))
        case .sealed(let sealing, _):
            switch sealing.purpose {
            case .message(let drafts):
                for token in outbox.giveUp(drafts) { context.answer(token, with: .refused(refusal)) }
            case .receipts(let records): receipts.giveUp(records)
            case .groupCommand(let order):
                groups.giveUp(order)
                context.answer(order.token, with: .refused(refusal))
            case .courtesy, .query: break
            }
        case .verified(let verifying, _): giveUp(verifying.arrival)
        case .unwrapped(let unwrapping, _): giveUp(unwrapping.arrival)
        case .lookedInside(let arrival, _): giveUp(arrival)
        case .checked(let check, _): lookups.giveUp(check)
        case .renewed(let signing, _): visas.giveUp(signing)
        case .arrived(let wire, let address):
            receiptUnwritten(wire, at: address)
        case .ticked: receipts.sendGathered(publishing: publishing, in: &context)
        default: break
        }
        for (token, answer) in context.takePipeAnswers() { pipes.gaveUp(token, as: answer, in: &context) }
        let effects = context.takeEffects()
        bridges.giveUp(effects, at: now)
        return effects
    }

    /// When `.ticked` is wanted next, in seconds lived. Never for something that has to wait for a broker.
    package func nextTick(after now: Moment) throws(LedgerError) -> Double {
        // Without room on a broker nothing is sent, but what expires says so. A row is due before it expires.
        let outgoing = try publishing.freeBroker() == nil ? context.ledger.nextExpiry() : context.ledger.nextDue()
        let pruning = min(nextPruning ?? now.lived + Tuning.tidyPause, now.lived + Tuning.tidyPause)
        var next = [
            pruning, outgoing, outbox.nextDue(now), parking.nextDue(admission: admission, at: now), gaps.nextDue,
            receipts.nextDue, context.refusals.nextDue, calls.nextDue, admission.nextDue,
            context.book.nextKeyEnd, visas.nextDue, pipes.nextDue(in: context),
            clones.isStandingBack ? nil : groups.nextDue,
        ]
        if publishing.freeBroker() != nil, !outbox.turns.isEmpty { next.append(now.lived) }
        if publishing.isConnected { next += [lookups.nextDue, cards.nextDue, files.nextDue, bridges.nextDue] }
        return max(next.lazy.compactMap { $0 }.min() ?? pruning, now.lived + 0.01)
    }

    // MARK: - Time passes

    private mutating func tick() throws(LedgerError) {
        if publishing.isConnected {
            try lookups.askPeers(in: &context)
            lookups.takeTurns(in: &context)
        }
        try repairCards()
        visas.renewDue(in: &context)
        if !clones.isStandingBack { groups.tick(in: &context) }
        try outbox.releaseMore(lookups: lookups, publishing: publishing, in: &context)
        try sendDue()
        if let end = context.book.nextKeyEnd, context.now.lived >= end { context.book.apply(.keysEnded) }
        try context.tellRefusals()
        try calls.tick(in: &context)
        try gaps.tell(in: &context)
        try follow(.ticked)
        try submit(pipes.tick(in: &context))
        try prune()
    }

    /// What is over its age goes, once an hour, in portions.
    private mutating func prune() throws(LedgerError) {
        let now = context.now
        guard now.lived >= nextPruning ?? now.lived else { return }
        try parking.releaseAll(lookups: &lookups, in: &context)
        let isMore = try context.ledger.prune(wall: now.isClockSet ? pruningTime() : 0, lived: now.lived)
        nextPruning = now.lived + (isMore ? Tuning.tidyPortionPause : Tuning.tidyPause)
    }

    /// Seconds since 1970 by which ages are measured. It runs at most twice as fast as the board lives: a clock that
    /// jumps years ahead, and perhaps back again, makes nothing old at once.
    private func pruningTime() throws(LedgerError) -> Double {
        let now = context.now
        let last = try context.ledger.value(.tidied)?.split(separator: " ").compactMap { Double($0) } ?? []
        let wall = last.count == 2 ? min(now.wall, last[0] + 2 * max(0, now.lived - last[1])) : now.wall
        try context.ledger.apply(.value(.tidied, "\(wall) \(now.lived)"))
        return wall
    }

    private mutating func sendDue() throws(LedgerError) {
        if receipts.acknowledgements.isLate {
            receipts.sendAcknowledgements(publishing: &publishing, in: &context)
        }
        try Sending.sendDue(outbox: &outbox, lookups: &lookups, publishing: &publishing, in: &context)
    }

    /// Messages ended, by receipts mostly: others to these peers go in their place.
    private mutating func sendInTurn() throws(LedgerError) {
        outbox.turns.ended(context.takeEnded(), at: context.now.lived)
        guard !outbox.turns.isEmpty, publishing.freeBroker() != nil else { return }
        try sendDue()
        outbox.turns.ended(context.takeEnded(), at: context.now.lived)
    }

    // MARK: - Brokers come and go

    private mutating func connected(
        _ broker: String, room: Int, packetLimit: Int64?
    ) throws(LedgerError) {
        guard !clones.isStandingBack else { return }
        // Nothing of an earlier connection is under way.
        if publishing.isConnected(to: broker) { try disconnected(broker) }
        if !publishing.isConnected {
            receipts.forgetBatches()
            lookups.beginAnew(in: context)
            try outbox.turns.begin(in: context)
            groups.begin(in: context)
        }
        publishing.connect(broker, room: room, packetLimit: packetLimit, at: context.now.lived)
        visas.connected(broker, packetLimit: packetLimit, in: context)
        keepTopics(on: broker, statesPresence: true)
        try Removal.clearTopics(on: broker, publishing: &publishing, in: &context)
        lookups.watchAll(in: &context)
        try presence.connected(broker, in: &context)
        try receipts.sendOwed(in: &context)
        for receiver in try context.ledger.awaitedReceivers(limit: Tuning.lookups) {
            // Its key may have come before the last end of the daemon, or from somewhere else.
            try outbox.keyArrived(of: receiver, lookups: lookups, publishing: publishing, in: &context)
            lookups.lookUp(receiver, isWanted: true, isWrittenTo: true, in: &context)
        }
        try parking.releaseAll(lookups: &lookups, in: &context)
        try sendDue()
        try follow(.connected(true))
    }

    /// Our topics are asked for before our presence is stated: so a broker first shows what stood there.
    private mutating func keepTopics(on broker: String, statesPresence: Bool) {
        context.perform(.keep(context.book.identities.map(\.id.address), broker: broker))
        if statesPresence { clones.statePresence(on: broker, publishing: &publishing, in: &context) }
        cards.publish(on: broker, publishing: &publishing, in: &context)
    }

    /// What was on its way there may be lost: messages are due again, owed receipts are made again.
    private mutating func disconnected(_ broker: String) throws(LedgerError) {
        cards.forget(broker: broker)
        lookups.disconnected(broker)
        presence.disconnected(broker)
        if let culprit = publishing.findCulprit(on: broker, at: context.now.lived) {
            try tell(culprit, of: broker)
        }
        for purpose in publishing.disconnect(broker) {
            switch purpose {
            case .message(let id): try Sending.lost(id, turns: &outbox.turns, in: context)
            case .receipts(let records):
                if publishing.isConnected { try receipts.sendLost(records, in: &context) }
            case .acknowledgement(let owed): try receipts.sendLost(owed, in: context)
            case .handedOn(let forward): try endInside(forward, isDropped: true)
            case .piece(let file, let piece): try follow(.published(file, piece: piece, isTaken: false))
            case .courtesy, .clearing: break
            }
        }
        if !publishing.isConnected { try follow(.connected(false)) }
        try sendDue()
    }

    private func tell(_ culprit: Culprits.Offence, of broker: String) throws(LedgerError) {
        let pause = Int64(culprit.until - context.now.lived)
        let (what, id) =
            switch culprit.suspect {
            case .message(let id): ("message \(id)", String?.some(id))
            case .topic(.inbox): ("an answer or receipt", nil)
            case .topic(.acknowledgements): ("an acknowledgement", nil)
            case .topic(.piece): ("a piece of a file", nil)
            case .topic: ("a card", nil)
            }
        try context.note(
            .broker, level: .warning,
            text: "broker \(broker) ended the connection over \(what) of \(culprit.bytes) bytes to "
                + "\(culprit.topic.address): it is set aside for \(pause) s",
            did: context.book.contact(culprit.topic.address)?.id, broker: broker, id: id, reason: "set-aside")
    }

    private mutating func acknowledged(_ number: UInt64, as outcome: Outcome) throws(LedgerError) {
        guard let publication = publishing.acknowledge(number) else { return }
        switch publication.purpose {
        case .message(let id):
            try Sending.acknowledged(
                id, as: outcome, brokers: publishing.brokers.count, turns: &outbox.turns, in: &context)
        case .receipts(let records): try ReceiptSender.acknowledged(records, as: outcome, in: context)
        case .acknowledgement(let owed): try receipts.acknowledged(owed, as: outcome, in: &context)
        case .clearing(let address):
            if let broker = publication.broker {
                try Removal.cleared(address, on: broker, as: outcome, publishing: publishing, in: context)
            }
        case .handedOn(let forward): try endInside(forward, isDropped: outcome != .taken)
        case .piece(let file, let piece):
            // Where nobody listens now the receiver will ask.
            let isTaken = outcome == .taken || outcome == .nobody
            try follow(.published(file, piece: piece, isTaken: isTaken))
        case .courtesy: break
        }
        try sendDue()
    }

    // MARK: - The pool is done

    private mutating func sealed(
        _ sealing: Sealing, as result: Result<Packing.Packed, CryptoError>
    ) throws(LedgerError) {
        switch (sealing.purpose, result) {
        case (.message(let drafts), .success(let packed)):
            try outbox.sealed(
                drafts, as: packed, from: sealing, lookups: &lookups, publishing: &publishing, in: &context)
        case (.message(let drafts), .failure(let error)):
            try outbox.notSealed(
                drafts, because: "\(error)", lookups: lookups, publishing: publishing, in: &context)
        case (.receipts(let records), .success(let packed)):
            if publishing.isConnected { context.counts.receiptsSent += Int64(records.count) }
            publish(packed, of: sealing, on: sealing.packing.receiver, as: .receipts(records))
            receipts.signed(records, in: context)
        case (.receipts(let records), .failure): receipts.signed(records, in: context)
        case (.groupCommand(let order), let result):
            try groups.signed(order, as: result, by: sealing.packing.identity.id, in: &context)
        case (.query(let id), .success(let packed)): publish(packed, of: sealing, on: id, as: .courtesy)
        case (.courtesy, .success(let packed)):
            publish(packed, of: sealing, on: sealing.packing.receiver, as: .courtesy)
        case (.query, .failure), (.courtesy, .failure): break
        }
    }

    /// On this entity's inbox, on every broker.
    private mutating func publish(
        _ packed: Packing.Packed, of sealing: Sealing, on entity: ID, as purpose: PendingPublication.Purpose
    ) {
        let wire = context.book.wire(packed.message, of: sealing.packing.identity, to: entity)
        publishing.publish(
            PendingPublication(topic: .inbox(entity.address), payload: wire, purpose: purpose), in: &context)
    }

    // MARK: - A message comes in

    private mutating func arrived(
        _ wire: [UInt8], at address: Address
    ) throws(LedgerError) {
        // Not receipted, so it is repeated to the board that goes on.
        guard !clones.isStandingBack else { return }
        let arrival: Arrival
        do throws(Rejection) {
            arrival = try admission.read(wire, at: address, in: context)
        } catch {
            return try context.reject(error, from: nil)
        }
        // This board's own broadcast comes back to it.
        if address.isBroadcast, context.book.isOurs(arrival.sender.address) { return }
        try follow(admission.admit(arrival, in: &context), of: arrival)
    }

    /// Takes a message on from where a check left it.
    private mutating func follow(_ step: Admission.Step, of arrival: Arrival) throws(LedgerError) {
        switch step {
        case .held: return
        case .dropped, .waits: try end(arrival, isDropped: true)
        case .refused(let rejection):
            try parking.leave(arrival.parked, in: context)
            try context.reject(rejection, from: arrival.sender)
            try end(arrival)
        case .repeated(let record):
            try parking.leave(arrival.parked, in: context)
            try receipts.sendAgain(record, in: &context)
            try end(arrival)
        case .unknownSender:
            if lookups.isAsked(arrival.sender), let job = admission.lookInside(arrival, in: &context) {
                return context.perform(.work(job))
            }
            try parking.park(arrival, isVerified: false, lookups: &lookups, in: &context)
            try end(arrival)
        case .stranger(let meta):
            parking.release(arrival.sender, isVerified: false, attaching: meta)
            try parking.park(arrival, isVerified: true, lookups: &lookups, in: &context)
            try end(arrival)
        case .verify(let verifying, let atOnce):
            let job = Job(lane: "in \(arrival.sender.address.text)", work: .verify(verifying))
            guard atOnce, case .verified(_, let result) = job.done() else { return context.perform(.work(job)) }
            try follow(admission.verified(verifying, as: result, in: &context), of: arrival)
        case .verified(let message, let arrival, let meets):
            if meets {
                let findings = try lookups.meet(
                    arrival.sender, meta: message.meta, visa: arrival.visa, in: &context)
                try passOn(findings)
            }
            try follow(admission.findKey(of: message, for: arrival, in: &context), of: arrival)
        case .unwrap(let unwrapping):
            context.perform(.work(Job(lane: "in \(arrival.sender.address.text)", work: .unwrap(unwrapping))))
        case .opened(let opened): try accept(opened)
        }
    }

    /// A meta that was inside goes the way of an attached one: it is checked against the sender, and then the signature.
    private mutating func lookedInside(_ arrival: Arrival, found meta: Meta?) throws(LedgerError) {
        admission.end(arrival)
        guard let meta else {
            return try parking.park(arrival, isVerified: false, lookups: &lookups, in: &context)
        }
        let arrival = arrival.attaching(meta)
        try follow(admission.admit(arrival, in: &context), of: arrival)
    }

    private mutating func accept(_ opened: Opened) throws(LedgerError) {
        let consequence = try acceptance.accept(
            opened, receipts: &receipts, gaps: &gaps, lookups: &lookups, groups: &groups, in: &context)
        try passOn(consequence.findings)
        for id in consequence.blocked { try parking.drop(of: id, in: context) }
        if opened.isEncrypted {
            try presence.heard(opened.sender, agent: opened.isSealed ? opened.content.agent : nil, in: &context)
        }
        for call in consequence.calls { try take(call) }
        for content in consequence.bridged { try bridges.take(content, in: &context) }
        for piece in consequence.pieces { try submit(pipes.take(piece, in: &context)) }
        if let forward = consequence.forward { return try admit(forward, of: opened) }
        if !consequence.isWithoutRoom { try parking.leave(opened.arrival.parked, in: context) }
        try end(opened.arrival, isDropped: consequence.isWithoutRoom)
    }

    // MARK: - Calls

    private mutating func take(_ content: CallContent) throws(LedgerError) {
        switch content.module {
        case .call: if let reply = try calls.asked(content, in: &context) { try send(reply) }
        case .reply: try CallAnswers.take(content, in: &context)
        }
    }

    /// An answer is a message like any other, and nobody local waits for what becomes of it.
    private mutating func send(_ reply: ServedCalls.ReplyDraft) throws(LedgerError) {
        let submission = Submission(
            token: 0, sender: reply.owner, receiver: reply.key.caller, type: .customized, members: reply.members,
            ref: reply.ref, expiry: reply.expiry, priority: .urgent)
        try outbox.submit(
            submission, standingBackFor: clones.olderBoard?.did, lookups: &lookups, publishing: publishing,
            in: &context)
    }

    // MARK: - Bridges

    /// Gives messages of bridges to the outbox as far as they may go; what becomes of them is among the effects, and may let
    /// more of them go. The effects so far, and those that follow.
    private mutating func sendBridged(after first: [Effect]) throws(LedgerError) -> [Effect] {
        guard !context.policy.bridges.isEmpty, clones.olderBoard == nil else { return first }
        var (effects, news) = (first, first)
        for _ in 0..<Tuning.bridgeRounds {
            try bridges.follow(news, in: &context)
            let submissions = try bridges.next(
                publishing: publishing, presence: &presence, lookups: &lookups, in: &context)
            for submission in submissions {
                try outbox.submit(
                    submission, standingBackFor: nil, lookups: &lookups, publishing: publishing, in: &context)
            }
            news = context.takeEffects()
            effects += news
            if submissions.isEmpty { return effects }
        }
        try bridges.follow(news, in: &context)
        return effects + context.takeEffects()
    }

    // MARK: - Pipes

    private mutating func submit(_ submissions: [Submission]) throws(LedgerError) {
        for submission in submissions {
            try outbox.submit(
                submission, standingBackFor: clones.olderBoard?.did, lookups: &lookups, publishing: publishing,
                in: &context)
        }
    }

    /// What became of their messages in this turn, until nothing follows any more.
    private mutating func followPipes() throws(LedgerError) {
        while true {
            let (answers, lost) = (context.takePipeAnswers(), context.takeLostOfPipes())
            if answers.isEmpty, lost.isEmpty { return }
            for (token, answer) in answers { try submit(pipes.answered(token, as: answer, in: &context)) }
            for row in lost { try submit(pipes.ended(row, in: &context)) }
        }
    }

    /// Bytes of a piece that goes to this peer in one message: what a program writes at once is no more.
    package func pieceSize(to peer: ID, at now: Moment) -> Int {
        let limit = min(
            Int64(context.policy.messageSize), context.book.abilities(of: peer).size ?? .max,
            publishing.payloadLimit(at: now.lived) ?? .max)
        let text = max(0, limit - Tuning.wireOverhead) / 4 * 3 - Tuning.pieceOverhead
        return Int(min(Int64(Tuning.longestPiece), max(1, text / 4 * 3)))
    }

    /// Whether the peer is a culver agent, or may turn out to be one.
    package func mayTakePipes(_ peer: ID) -> Bool {
        context.book.visa(of: peer) == nil || context.book.isCulver(peer)
    }

    // MARK: - Forwards

    private mutating func admit(_ forward: Acceptance.Forwarded, of outer: Opened) throws(LedgerError) {
        let messages = forward.messages
        admission.keepInFlight(forward.confirmation.record, lived: context.now.lived)
        // Nothing inside is like one message that has ended: the forward is taken.
        let number = forwards.begin(
            forward.confirmation, in: outer.arrival.forward, count: max(1, messages.count))
        if messages.isEmpty { try endInside(number) }
        for json in messages {
            let inside: Inside
            do throws(Rejection) {
                inside = try self.inside(json, of: outer, forward: number)
            } catch {
                try context.reject(error, from: outer.sender)
                try endInside(number)
                continue
            }
            switch inside {
            case .arrival(let arrival): try follow(admission.admit(arrival, in: &context), of: arrival)
            case .onward(let message): try handOn(message, insideForward: number)
            }
        }
    }

    /// A message inside a forward: for us, or for somebody for whom this board hands on.
    private enum Inside {
        case arrival(Arrival)
        case onward(ReliableMessage)
    }

    private func inside(_ json: JSON, of outer: Opened, forward: Int64) throws(Rejection) -> Inside {
        let incoming = try IncomingMessage(json)
        if let message = try Relay.next(incoming.message, from: outer, in: context) { return .onward(message) }
        return .arrival(
            Arrival(
                message: try incoming.addressed(
                    to: context.book.identities.map(\.id), inside: outer.arrival.message),
                wire: incoming.message.json.bytes, depth: outer.arrival.depth + 1, forward: forward, via: outer.sender,
                parked: nil))
    }

    /// The forward is taken when a broker has it, and not before: nobody repeats what is inside. Where no broker has room it
    /// waits nowhere, and the forward comes again. With several brokers each gets a turn, as nobody says where the receiver is.
    private mutating func handOn(_ message: ReliableMessage, insideForward number: Int64) throws(LedgerError) {
        var publication = PendingPublication(
            topic: .inbox(message.envelope.receiver.address), payload: message.json.bytes,
            purpose: .handedOn(forward: number))
        guard case .broker(let broker) = publishing.outlet(for: publication, attempt: number, at: context.now.lived)
        else { return try endInside(number, isDropped: true) }
        publication.broker = broker
        publishing.publish(publication, in: &context)
    }

    /// A message has been taken, parked, handed on or refused, or else dropped: perhaps the last one inside a forward.
    private mutating func end(_ arrival: Arrival, isDropped: Bool = false) throws(LedgerError) {
        if let forward = arrival.forward { try endInside(forward, isDropped: isDropped) }
    }

    private mutating func endInside(_ number: Int64, isDropped: Bool = false) throws(LedgerError) {
        guard let forward = forwards.ended(number, isDropped: isDropped) else { return }
        let confirmation = forward.confirmation
        let record = confirmation.record
        admission.end(record)
        if forward.isComplete {
            let isKnown =
                try context.ledger.accepted(owner: record.owner, sender: record.sender, digest: record.digest) != nil
            if !isKnown { try acceptance.confirm(confirmation, receipts: &receipts, gaps: &gaps, in: &context) }
            try parking.leave(confirmation.parked, in: context)
        }
        if let outer = forward.outer { try endInside(outer, isDropped: !forward.isComplete) }
    }

    /// Its turn could not be written down. Nothing is written here either, as for every message that is dropped.
    private mutating func giveUp(_ arrival: Arrival) {
        admission.end(arrival)
        try? end(arrival, isDropped: true)
    }

    /// Parked messages take the way in, a few at a time, because each may be large and may need a private key.
    private mutating func takeParked() throws(LedgerError) {
        guard parking.isReleasing else { return }
        admission.forgetLost(in: context)
        var looks = 0
        while let arrival = try parking.next(admission: admission, looks: &looks, in: context) {
            try follow(admission.admit(arrival, in: &context), of: arrival)
        }
    }

    /// Nothing can be written now. What this board has already is receipted all the same when it is repeated.
    private mutating func receiptUnwritten(_ wire: [UInt8], at address: Address) {
        guard let arrival = try? admission.read(wire, at: address, in: context),
            admission.refusal(of: arrival, in: context) == nil,
            context.book.knownMeta(of: arrival.sender) != nil,
            let record = try? admission.record(of: arrival, in: context)
        else { return }
        receipts.sendUnwritten(record, in: &context)
    }

    // MARK: - A peer acknowledges

    private mutating func confirmed(_ bytes: [UInt8], at address: Address) throws(LedgerError) {
        guard !clones.isStandingBack else { return }
        guard !FileProgress.isOne(bytes) else {
            return try files.progressed(bytes, at: address, publishing: &publishing, in: &context)
        }
        let acknowledgement: Acknowledgement
        do throws(Rejection) {
            acknowledgement = try Acknowledgement(parsing: bytes)
            guard acknowledgement.to == address, context.book.isOurs(address) else {
                throw Rejection(.receiver, "an acknowledgement for somebody else")
            }
            guard context.book.contact(acknowledgement.from)?.isBlocked != true else {
                throw Rejection(.trust, "the sender is blocked")
            }
        } catch {
            return try context.reject(error, from: nil)
        }
        guard try ReceiptMatcher.close(by: acknowledgement, in: &context),
            let peer = context.book.contact(acknowledgement.from)?.id
        else { return }
        try presence.heard(peer, agent: acknowledgement.agent, in: &context)
    }

    // MARK: - Files

    private mutating func follow(_ event: FileEvent) throws(LedgerError) {
        if case .arrived = event, clones.isStandingBack { return }
        try files.follow(event, publishing: &publishing, in: &context)
    }

    // MARK: - The directory

    private mutating func found(_ bytes: [UInt8], on topic: Topic, of broker: String) throws(LedgerError) {
        guard topic.isRetained else { return }
        if case .state(let address) = topic {
            guard publishing.isConnected(to: broker) else { return }
            let job =
                context.book.isOurs(address)
                ? clones.inspect(bytes, of: address, on: broker, cards: &cards, in: context)
                : presence.inspect(bytes, of: address, on: broker, in: context)
            if let job { context.perform(.work(job)) }
            return
        }
        guard context.book.isOurs(topic.address) else {
            return try passOn(lookups.found(bytes, on: topic, in: &context))
        }
        try cards.inspect(bytes, on: topic, of: broker, publishing: &publishing, in: &context)
        try repairCards()
    }

    private mutating func publishCards() {
        for broker in publishing.brokers { cards.publish(on: broker, publishing: &publishing, in: &context) }
    }

    private mutating func repairCards() throws(LedgerError) {
        for place in try cards.repairDue(publishing: &publishing, in: &context) {
            clones.stateAgain(at: place, publishing: &publishing, in: &context)
        }
    }

    private mutating func inspected(_ check: StatementCheck, as statement: Statement?) throws(LedgerError) {
        guard publishing.isConnected(to: check.broker) else { return }
        guard context.book.isOurs(check.signer.address) else {
            return try presence.inspected(check, as: statement, in: &context)
        }
        let finding = try clones.inspected(check, as: statement, cards: &cards, in: &context)
        switch finding {
        case .nothing: break
        case .booksAreCopy: try numberAnew()
        case .standBack:
            let brokers = publishing.brokers
            publishing.closeAll()
            for broker in brokers { try disconnected(broker) }
            context.perform(.standBack)
        }
    }

    /// What the directory found lets messages go on, those that wait for a meta and those that wait for a key.
    private mutating func passOn(_ findings: [Lookups.Finding]) throws(LedgerError) {
        for finding in findings {
            switch finding {
            case .meta(of: let id, attaching: let meta):
                parking.release(id, isVerified: false, attaching: meta)
                try outbox.named(id, in: &context)
            case .visa(of: let id):
                try outbox.keyArrived(of: id, lookups: lookups, publishing: publishing, in: &context)
                try presence.watch(id, in: &context)
            }
        }
    }

    // MARK: - The owner's word

    private mutating func befriended(_ id: ID) throws(LedgerError) {
        var contact = context.book.contact(id.address) ?? Contact(id: id.bare, trust: .contact)
        if contact.trust == .stranger { contact.trust = .contact }
        contact.isBlocked = false
        context.book.apply(.contact(contact))
        parking.release(id, isVerified: true)
        try outbox.keyArrived(of: id, lookups: lookups, publishing: publishing, in: &context)
        if context.book.visa(of: id) == nil { lookups.lookUp(id, isWanted: true, in: &context) }
    }

    private mutating func forgot(_ id: ID) throws(LedgerError) {
        try pipes.forget(id, in: &context)
        context.book.apply(.forget(id.address))
        for identity in context.book.identities {
            try context.ledger.apply(.forgetAccepted(owner: identity.id.address, sender: id.address))
        }
        try parking.drop(of: id, in: context)
        lookups.forget(id.address, in: &context)
        try presence.forget(id.address, in: &context)
    }

    private mutating func identitiesChanged() {
        admission.forgetFailed()
        cards.forgetForeign(in: context)
        let book = context.book
        publishing.dropCards { !book.isOurs($0) }
        for broker in publishing.brokers { keepTopics(on: broker, statesPresence: false) }
    }

    /// The books are a copy of what they were on disk elsewhere or before: numbers that were used since are not known
    /// here, so numbering begins anew, and what did not come to these books is no gap.
    private mutating func numberAnew() throws(LedgerError) {
        try context.ledger.apply(.forgetValues(.streams))
        try context.ledger.apply(.forgetValues(.windows))
        gaps.forget()
        try calls.restored(in: context)
        try submit(pipes.restored(in: &context))
        try context.note(
            .start, level: .info,
            text: "the state directory is a copy or came back from a backup: messages are numbered anew",
            reason: "restored")
    }
}
