import Crypto
package import DIMP
import Format
import Records

/// Who belongs to the groups of this board (extensions.md 8): commands of its own programs, and those of others. What the
/// members are by these commands says `KnownGroup`; here is who may speak, who is to hear, and who is asked.
///
/// A command is a broadcast, signed once, so any member can show it to any other. It travels inside forwards, one row of the
/// outbox for each receiver, which are on disk in the turn that takes the command.
struct Groups {
    /// The place of the last command that the pool was given to sign, by group.
    private var given: [Address: (time: Double, sn: Int64)] = [:]
    /// Groups of which everything is to be said anew, and when that was done last, in seconds lived.
    private var owed: [Address: Owed] = [:]
    private var saidAnew: [Address: Double] = [:]
    var questions = GroupQuestions()
    /// When this board heard that a member is none any more, in seconds lived.
    private var removed: [GroupQuestions.MemberKey: Double] = [:]

    // MARK: - A local program gives a command

    /// A submission of type `history` to a group. What its sender may not say is refused before anybody hears of it.
    mutating func submit(
        _ submission: Submission, standingBackFor otherBoard: ID?, in context: inout Context
    ) throws(LedgerError) {
        let token = submission.token
        guard let identity = context.book.identity(submission.sender.address) else {
            return context.refuse(
                token, as: .unknownName, reason: "unknown-identity",
                text: "\(submission.sender) is no identity of this board")
        }
        guard let group = context.book.group(submission.receiver.address) else {
            return context.refuse(
                token, as: .unknownName, reason: "unknown-group",
                text: "\(submission.receiver) is no group of this board")
        }
        if let otherBoard {
            return context.refuse(
                token, as: .notNow, reason: "cloned",
                text: "another board has the keys of \(otherBoard) and started earlier: this one stands back")
        }
        if submission.members["command"]?.string == "query" {
            let isSent = ask(about: group, as: identity, in: &context)
            guard isSent else {
                return context.refuse(
                    token, as: .notNow, reason: "asked-lately",
                    text: "there is nobody to ask, or they were asked just now")
            }
            return accept(token, sn: 0, in: &context)
        }
        let place = place(in: group, at: context)
        guard place.time <= context.now.wall + Tuning.groupAhead else {
            return context.refuse(
                token, as: .notNow, reason: "clock-behind",
                text: "the clock of this board is behind that of the last command of \(group.id)")
        }
        let content = Self.command(submission.members, in: group, at: place)
        guard let record = GroupRecord(content, signedBy: identity.id) else {
            return context.refuse(token, as: .badData, reason: "bad-command", text: "that is no command for a group")
        }
        switch group.verdict(on: record) {
        case .refused(let reason), .kept(let reason?):
            return context.refuse(token, as: .notPermitted, reason: "no-authority", text: reason)
        case .changed, .kept(nil), .known: break
        }
        let size = try context.ledger.outboxSize()
        guard size.count + Int64(group.membership.members.count) < Int64(context.policy.outboxCount) else {
            context.counts.outboxFull += 1
            return context.refuse(
                token, as: .notNow, reason: "outbox-full", text: "the outbox is full: \(size.count) messages wait")
        }
        given[group.id.address] = place
        sign(GroupOrder(token: token, group: group.id, content: content), as: identity, in: &context)
    }

    private func sign(_ order: GroupOrder, as identity: Identity, in context: inout Context) {
        context.counts.signatures += 1
        context.perform(
            .work(
                Job(
                    lane: "group \(order.group.address)",
                    work: .seal(
                        Sealing(
                            packing: Packing(identity: identity, receiver: .anyone, recipients: []),
                            content: .whole(order.content), purpose: .groupCommand(order))))))
    }

    /// Behind every command that is known, and every one that the pool has.
    private func place(in group: KnownGroup, at context: Context) -> (time: Double, sn: Int64) {
        let next = group.next(at: context.now.wall)
        var place = (time: next.time, sn: next.leastSN == 1 ? context.newSN() % (1 << 30) + 1 : next.leastSN)
        if let last = given[group.id.address], (last.time, last.sn) >= place {
            place = (last.time, last.sn + 1)
            if last.sn >= GroupRecord.largestSN { place = (last.time.rounded(.down) + 1, 1) }
        }
        return place
    }

    /// As all that read it want it: applications take a `reset` only where the owner is the first of the members.
    private static func command(
        _ said: JSONObject, in group: KnownGroup, at place: (time: Double, sn: Int64)
    ) -> Content {
        var members: JSONObject = [:]
        for name in ["command", "members", "administrators"] { members[name] = said[name] }
        members["cmd"] = said["command"]
        if said["command"]?.string == GroupRecord.Act.reset.rawValue {
            let owner = JSON.string(group.membership.owner.text)
            members["members"] = .array([owner] + (said["members"]?.array ?? []).filter { $0 != owner })
        }
        var content = Content(type: .history, sn: place.sn, time: place.time, group: group.id, members)
        if place.time.rounded(.down) != place.time { content.json["time"] = .number(place.time) }
        return content
    }

    private func accept(_ token: UInt64, sn: Int64, in context: inout Context) {
        context.answer(
            token,
            with: .accepted(
                id: context.newMessageID(), sn: sn, state: DeliveryState.queued.rawValue, isRepeat: false))
    }

    /// The pool has signed a command: it counts, and everybody is to hear of it.
    mutating func signed(
        _ order: GroupOrder, as result: Result<Packing.Packed, CryptoError>, by identity: ID, in context: inout Context
    ) throws(LedgerError) {
        guard case .success(let packed) = result,
            let record = GroupRecord(order.content, signedBy: identity, message: packed.message.json.object)
        else {
            return context.refuse(order.token, as: .inputOutput, reason: "cannot-seal", text: "cannot sign the command")
        }
        if order.edition != nil { owed[order.group.address] = nil }
        guard var group = context.book.group(order.group.address) else {
            return context.refuse(
                order.token, as: .unknownName, reason: "unknown-group", text: "\(order.group) was forgotten meanwhile")
        }
        if let edition = order.edition {
            // It would undo what came, or was signed, meanwhile.
            guard edition == group.edition else { return settle(group, in: context) }
            saidAnew[group.id.address] = context.now.lived
        }
        let before = group.membership
        switch group.take(record) {
        case .refused(let reason), .kept(let reason?):
            return context.refuse(order.token, as: .notPermitted, reason: "no-authority", text: reason)
        case .changed, .kept(nil), .known: break
        }
        context.book.apply(.group(group))
        settle(group, in: context)
        noteRemoved(from: group, since: before, in: context)
        try tell(record, of: group, in: context)
        try spread(record, of: group, since: before, from: identity, in: &context)
        for id in order.expelled where !group.membership.contains(id) {
            try post([record], of: group, to: id, from: identity, in: &context)
        }
        accept(order.token, sn: record.sn, in: &context)
    }

    /// The pool's work could not be written down.
    mutating func giveUp(_ order: GroupOrder) {
        given[order.group.address] = nil
    }

    // MARK: - The owner says everything anew

    private struct Owed {
        var due: Double
        /// The pool has it.
        var isUnderway = false
    }

    /// Why everything is to be said once more, and by whom.
    private struct Need {
        var speaker: Identity
        var due: Double
        var expelled: [ID] = []
    }

    /// The owner says everything once more, so that what was before is not needed any more: where the history is long, where
    /// somebody was expelled and a member is no culver agent, because applications obey no expulsion, and where a change
    /// came without a proof that could be handed on. Where the owner is no agent either, the administrator does that expelled
    /// somebody. All of that follows from the commands, so that no end of the daemon makes anybody forget it.
    private func need(of group: KnownGroup, in context: Context) -> Need? {
        let (owner, members) = (group.membership.owner, group.membership.members)
        let unsettled = group.unsettled
        let gone = unsettled.expelled.map(\.member)
        let isDisobeyed = !gone.isEmpty && (members + gone).contains { isNoAgent($0, in: context) }
        var pause = Tuning.groupAnewPause
        let speaker: Identity?
        if let identity = context.book.identity(owner.address) {
            if !isDisobeyed, !unsettled.isWithoutProof {
                guard group.isLong else { return nil }
                pause = Tuning.groupResetPause
            }
            speaker = identity
        } else {
            guard isDisobeyed, isNoAgent(owner, in: context) else { return nil }
            speaker = unsettled.expelled.compactMap { context.book.identity($0.by.address) }.last
        }
        guard let speaker, group.membership.isInCharge(speaker.id) else { return nil }
        let due = max(context.now.lived, (saidAnew[group.id.address] ?? -.infinity) + pause)
        return Need(speaker: speaker, due: due, expelled: gone.filter { isNoAgent($0, in: context) })
    }

    /// A group has changed: it may have to be said anew now, or no more.
    private mutating func settle(_ group: KnownGroup, in context: Context) {
        guard owed[group.id.address]?.isUnderway != true else { return }
        owed[group.id.address] = need(of: group, in: context).map { Owed(due: $0.due) }
    }

    /// After a start nothing of this is known.
    mutating func begin(in context: Context) {
        for group in context.book.groups { settle(group, in: context) }
    }

    var nextDue: Double? { owed.values.map(\.due).min() }

    mutating func tick(in context: inout Context) {
        let due = owed.filter { $0.value.due <= context.now.lived }.keys
        for address in due.sorted(by: { $0.text < $1.text }) { sayAnew(address, in: &context) }
    }

    /// Not while the clock is behind the last command: that one would be refused elsewhere.
    private mutating func sayAnew(_ address: Address, in context: inout Context) {
        let lived = context.now.lived
        guard let group = context.book.group(address), let need = need(of: group, in: context) else {
            owed[address] = nil
            return
        }
        let place = place(in: group, at: context)
        let isInTime = context.now.isClockSet && place.time <= context.now.wall + Tuning.groupAhead
        guard need.due <= lived, isInTime else {
            owed[address] = Owed(due: max(need.due, lived + Tuning.groupAnewPause))
            return
        }
        // A result that is lost is made once more.
        owed[address] = Owed(due: lived + Tuning.lostAfter, isUnderway: true)
        given[address] = place
        let membership = group.membership
        var said: JSONObject = ["command": "reset", "members": .array(membership.members.map { .string($0.text) })]
        if need.speaker.id.address == membership.owner.address {
            said["administrators"] = .array(membership.administrators.map { .string($0.text) })
        }
        sign(
            GroupOrder(
                token: 0, group: group.id, content: Self.command(said, in: group, at: place), expelled: need.expelled,
                edition: group.edition),
            as: need.speaker, in: &context)
    }

    private func isNoAgent(_ member: ID, in context: Context) -> Bool {
        !context.book.isOurs(member.address) && !context.book.isCulver(member)
    }

    // MARK: - A command of somebody else

    /// A content about a group, of a verified sender: the message's own, or one in an array. False for a content that is
    /// about none. The sender's fault is counted, and changes nothing.
    mutating func take(
        _ content: Content, of opened: Opened, in context: inout Context
    ) throws(LedgerError) -> Bool {
        if let command = content.groupCommand {
            guard GroupRecord.isAbout(command) else { return false }
            try take(command, saying: content, of: opened, in: &context)
            return true
        }
        switch content.body {
        case .command(.documents(let id, let documents, let meta, _)) where id.hasMembers && !opened.arrival.isForAll:
            try take(cardOf: id, documents: documents, meta: meta, saying: content, of: opened, in: &context)
        case .command(.meta(let id, .none)) where id.hasMembers && !opened.arrival.isForAll:
            try answer(cardOf: id.bare, asked: content, of: opened, in: &context)
        case .customized(app: "chat.dim.group", let module, let act):
            try take(module: module, act: act, saying: content, of: opened, in: &context)
        case .opaque where content.group != nil && content.type == ContentType.history.rawValue,
            .command(.other) where content.group != nil && GroupRecord.Act(rawValue: content.commandName) != nil:
            try context.reject(Rejection(.content, "a group command that cannot be read"), from: opened.sender)
        default: return false
        }
        return true
    }

    /// Of a group that is not known here nothing is kept: whoever showed it is asked what it is, and then for all of it.
    private mutating func take(
        _ command: GroupCommand, saying content: Content, of opened: Opened, in context: inout Context
    ) throws(LedgerError) {
        guard let id = content.group?.bare, id.hasMembers else {
            return try context.reject(Rejection(.content, "a group command without a group"), from: opened.sender)
        }
        if command.name == "query" { return try answer(content, of: opened, about: id, in: &context) }
        let source = opened.arrival.via ?? opened.sender
        let isHeard = context.policy.strangers == .open || context.book.isTrusted(source)
        guard isHeard || context.book.isTrusted(opened.sender) else {
            return try context.reject(Rejection(.trust, "a group command of a stranger"), from: opened.sender)
        }
        guard let group = context.book.group(id.address), group.id == id else {
            try context.reject(Rejection(.content, "a command for a group that is not known here"), from: opened.sender)
            if !opened.arrival.isForAll { askForCard(of: id, from: source, to: opened.owner, in: &context) }
            return
        }
        guard let record = GroupRecord(content, signedBy: opened.sender, message: Self.proof(of: content, in: opened))
        else {
            return try context.reject(
                Rejection(.content, "a group command without a usable time or serial number"), from: opened.sender)
        }
        try take(record, of: group, from: opened.sender, in: &context)
    }

    mutating func take(
        _ record: GroupRecord, of known: KnownGroup, from sender: ID, in context: inout Context
    ) throws(LedgerError) {
        var group = known
        let before = group.membership
        switch group.take(record) {
        case .known: return
        case .refused(let reason): return try context.reject(Rejection(.content, reason), from: sender)
        case .kept(let reason):
            context.book.apply(.group(group))
            settle(group, in: context)
            if let reason { try context.reject(Rejection(.content, reason), from: sender) }
        case .changed:
            context.book.apply(.group(group))
            noteRemoved(from: group, since: before, in: context)
            try tell(record, of: group, in: context)
            // The owner has them all, and whoever gave this one may not know of everybody.
            if let owner = context.book.identity(before.owner.address), record.message != nil {
                try spread(record, of: group, since: before, from: owner.id, in: &context)
            }
            settle(group, in: context)
        }
    }

    /// A broadcast as it is kept: its sender's cards are added when it is handed on. `nil` for what came encrypted, or with
    /// others in an array.
    static func proof(of content: Content, in opened: Opened) -> JSONObject? {
        guard !opened.isEncrypted, content == opened.content else { return nil }
        var message = opened.arrival.message.message
        (message.meta, message.visa) = (nil, nil)
        return message.json.object
    }

    private mutating func noteRemoved(from group: KnownGroup, since before: Membership, in context: Context) {
        let lived = context.now.lived
        removed = removed.filter { lived < $0.value + Tuning.groupFarewell }
        for member in before.members
        where !group.membership.contains(member) && removed.count < Tuning.rememberedAnswers {
            removed[GroupQuestions.MemberKey(group: group.id.address, member: member.address)] = lived
        }
    }

    private func tell(_ record: GroupRecord, of group: KnownGroup, in context: Context) throws(LedgerError) {
        let whom = record.members.prefix(3).map(\.text).joined(separator: ", ")
        let more = record.members.count > 3 ? " and \(record.members.count - 3) more" : ""
        try context.note(
            .group, level: .info,
            text: "\(record.signer): \(record.act.rawValue)\(whom.isEmpty ? "" : " \(whom)\(more)") in \(group.id)",
            did: group.id, reason: record.act.rawValue)
    }

    // MARK: - Who hears of it

    /// Those that were members and those that are, all of the history for those that come in. What is only asked for
    /// goes to those who may grant it.
    private mutating func spread(
        _ record: GroupRecord, of group: KnownGroup, since before: Membership, from sender: ID,
        in context: inout Context
    ) throws(LedgerError) {
        let after = group.membership
        let isRequest =
            after.members == before.members && after.administrators == before.administrators
            && record.act != .reset
        let hearers = isRequest ? [after.owner] + after.administrators : after.members
        for member in hearers where member.address != sender.address && member.address != record.signer.address {
            if !before.contains(member), after.contains(member) {
                try welcome(member, to: group, from: sender, in: &context)
            } else {
                try post([record], of: group, to: member, from: sender, in: &context)
            }
        }
        guard !isRequest else { return }
        for member in before.members
        where !after.contains(member) && member.address != sender.address && member.address != record.signer.address {
            try post([record], of: group, to: member, from: sender, in: &context)
        }
    }

    /// Everything that a member has to know.
    private mutating func welcome(
        _ member: ID, to group: KnownGroup, from sender: ID, in context: inout Context
    ) throws(LedgerError) {
        let row = try post(group.records, of: group, withCard: true, to: member, from: sender, in: &context)
        // What is dated ahead is repeated until its time has come: whoever asks meanwhile is told the rest.
        guard group.records.allSatisfy({ isPast($0, in: context) }) else { return }
        let key = GroupQuestions.MemberKey(group: group.id.address, member: member.address)
        questions.tell(key, by: row, at: context.now.lived)
    }

    private func isPast(_ record: GroupRecord, in context: Context) -> Bool {
        !context.now.isClockSet || record.time <= context.now.wall + ProtocolLimits.contentAhead
    }

    /// Rows of the outbox that wait for nothing: they are sealed when they are due, which is now. The last of them.
    @discardableResult
    private func post(
        _ records: [GroupRecord], of group: KnownGroup, withCard: Bool = false, to receiver: ID, from sender: ID,
        in context: inout Context
    ) throws(LedgerError) -> String? {
        let receiver = context.book.contact(receiver.address)?.id ?? receiver
        guard !context.book.isOurs(receiver.address) else { return nil }
        var last: String?
        meet(receiver, in: context)
        var messages = withCard ? [group.card].compactMap { $0 } : []
        messages += records.compactMap(\.message)
        var portion: [JSON] = []
        var bytes = 0
        for message in messages {
            let json = attached(message, in: context)
            let size = json.bytes.count
            if portion.count == ProtocolLimits.forwardedMessages || bytes + size > Tuning.forwardedBytes,
                !portion.isEmpty
            {
                last = try put(portion, to: receiver, from: sender, in: &context)
                (portion, bytes) = ([], 0)
            }
            portion.append(json)
            bytes += size
        }
        if !portion.isEmpty { last = try put(portion, to: receiver, from: sender, in: &context) }
        return last
    }

    /// With the meta of its signer, whom the receiver may not know.
    private func attached(_ message: JSONObject, in context: Context) -> JSON {
        var message = message
        if let signer = message["sender"]?.string.flatMap({ ID($0) }), let meta = context.book.knownMeta(of: signer) {
            message["meta"] = .object(meta.json)
        }
        return .object(message)
    }

    private func put(
        _ messages: [JSON], to receiver: ID, from sender: ID, in context: inout Context
    ) throws(LedgerError) -> String? {
        let size = try context.ledger.outboxSize()
        guard size.count < Int64(context.policy.outboxCount), size.bytes < context.policy.outboxBytes else {
            // Who does not hear of it asks when it reads the next message.
            context.counts.outboxFull += 1
            return nil
        }
        let id = context.newMessageID()
        var members: JSONObject = ["secrets": .array(messages)]
        // For readers of long ago, where it does not make much twice as much.
        if messages.count == 1, messages[0].bytes.count <= Tuning.forwardedBytes { members["forward"] = messages[0] }
        // No group on the envelope: applications lay aside what names one that they do not know, and for good.
        let content = Content(type: .forward, sn: context.newSN(), time: context.now.wall, members)
        let text = JSON.object(content.json).text
        try context.ledger.apply(
            .outgoing(
                Outgoing(
                    id: id, sn: content.sn, sender: sender.bare, recipient: .person(receiver.bare),
                    request: Digest.sha256(Array(text.utf8)), body: .content(text), state: .waiting,
                    created: context.recordedTime, due: context.now.lived,
                    expires: context.now.lived + Policy.longestExpiry)))
        return id
    }

    /// A member's cards are kept, though the owner of this board has said nothing about it.
    private func meet(_ member: ID, in context: Context) {
        guard context.book.contact(member.address) == nil, !context.book.isOurs(member.address) else { return }
        context.book.apply(.contact(Contact(id: member.bare, trust: .stranger)))
    }

    // MARK: - Who missed something asks

    /// Whether a content for a group may go to the inbox. One of somebody who is no member, and was none when it was
    /// written, is not taken, and not refused: the command that makes it one may be on its way, and its sender repeats.
    mutating func admits(
        _ content: Content, of opened: Opened, in context: inout Context
    ) throws(LedgerError) -> Bool {
        guard let id = content.group?.bare, id.hasMembers else { return true }
        // What anybody can read was not written to a group that has keys.
        guard opened.isEncrypted else { return context.book.group(id.address) == nil }
        guard let group = context.book.group(id.address) else {
            askForCard(of: id, from: opened.sender, to: opened.owner, in: &context)
            return true
        }
        guard let owner = context.book.identity(opened.owner.address) else { return true }
        let roll = content.json["roll"]?.string
        guard group.membership.contains(opened.owner) else {
            // What made this board a member may never have come.
            let isHeard =
                group.membership.contains(opened.sender) || context.book.isPersonallyTrusted(opened.sender)
            if isHeard, roll != nil { ask(about: group, as: owner, of: opened.sender, in: &context) }
            return true
        }
        guard group.membership.contains(opened.sender) else {
            let left = removed[GroupQuestions.MemberKey(group: id.address, member: opened.sender.address)] ?? -.infinity
            if context.now.lived < left + Tuning.groupFarewell, let time = content.usableTime,
                group.wasMember(opened.sender, at: time)
            {
                return true
            }
            try context.reject(Rejection(.trust, "the sender is no member of the group"), from: opened.sender)
            ask(about: group, as: owner, in: &context)
            return false
        }
        if let roll, roll != group.roll {
            ask(about: group, as: owner, of: opened.sender, in: &context)
        }
        return true
    }

    /// Asks a member for the history: this one, or else the owner, or else an administrator or a member. At most once a
    /// minute for each group. Says whether somebody was asked.
    @discardableResult
    mutating func ask(
        about group: KnownGroup, as identity: Identity, of member: ID? = nil, in context: inout Context
    ) -> Bool {
        guard questions.mayAsk(about: group.id.address, at: context.now.lived) else { return false }
        let membership = group.membership
        let others = [member].compactMap { $0 } + [membership.owner] + membership.administrators + membership.members
        let known = others.first {
            $0.address != identity.id.address && context.book.encryptionKey(of: $0) != nil
        }
        guard let known else { return false }
        questions.ask(about: group.id.address, at: context.now.lived)
        let content = Content(
            type: .command, sn: context.newSN(), time: context.now.wall, group: group.id,
            ["command": "query", "cmd": "query", "roll": .string(group.roll)])
        return ControlMessage.seal(
            content, from: identity.id.address, to: known, purpose: .courtesy, in: &context)
    }

    /// A member asks what it has missed. What differs the other way round is asked back.
    private mutating func answer(
        _ question: Content, of opened: Opened, about id: ID, in context: inout Context
    ) throws(LedgerError) {
        guard opened.isEncrypted, let group = context.book.group(id.address), group.membership.contains(opened.sender),
            group.membership.contains(opened.owner), let owner = context.book.identity(opened.owner.address)
        else {
            return try context.reject(
                Rejection(.trust, "a question about a group of somebody who is no member"), from: opened.sender)
        }
        let roll = question.json["roll"]?.string
        let key = GroupQuestions.MemberKey(group: id.address, member: opened.sender.address)
        guard roll != group.roll,
            questions.mayTell(key, rolls: [roll, group.roll], at: context.now.lived)
        else { return }
        // What it was told is still on its way, and comes again by itself.
        let telling = try questions.row(for: key).flatMap { id throws(LedgerError) in
            try context.ledger.outgoing(id: id)
        }
        if telling?.isLiving != true {
            let since = question.json["last_time"]?.seconds ?? 0
            // What is dated further ahead would not be taken, and the answer would come again until it is.
            let records = group.records.filter { $0.time >= since && isPast($0, in: context) }
            let row = try post(records, of: group, withCard: true, to: opened.sender, from: owner.id, in: &context)
            questions.tell(key, by: since > 0 ? nil : row, at: context.now.lived)
        }
        if roll != nil { ask(about: group, as: owner, of: opened.sender, in: &context) }
    }

    /// The applications' way of asking: customized contents of `chat.dim.group`. False: it is no such thing.
    private mutating func take(
        module: String, act: String, saying content: Content, of opened: Opened, in context: inout Context
    ) throws(LedgerError) {
        if module == "history", act == "query", let id = content.group?.bare {
            try answer(content, of: opened, about: id, in: &context)
        } else {
            // Every message here brings its key along, so that there is none to ask for or to update.
            try context.reject(Rejection(.content, "\(act) of \(module) of a group"), from: opened.sender)
        }
    }

}

/// A command of a local program that the pool signs.
package struct GroupOrder: Sendable {
    package var token: UInt64
    package var group: ID
    package var content: Content
    /// Who was put out by what made this command necessary, and is to hear of it.
    package var expelled: [ID] = []
    /// Of a command that nobody gave: that of the group whose members it names.
    package var edition: String?
}
