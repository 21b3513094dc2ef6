import Crypto
import DIMP
import Format
import Records

/// The calls that others make here: each is checked, written down, begun once at most, and answered.
///
///     asked ──▶ refused
///       │
///       └─────▶ begun (on disk) ──▶ said … ──▶ ended (the answer is on disk)
///                 │
///                 └─ the daemon ends meanwhile ──▶ interrupted, at the next start
///
/// What has a row is never begun again: a repeat gets the stored answer, or none while it runs. A refusal has no row; it
/// changed nothing.
struct ServedCalls {
    /// What runs, or is with a program that serves it.
    private var running: [ServedCall.Name: Running] = [:]
    private var rates: [RateKey: Budget] = [:]
    /// What programs on the socket serve at this moment.
    private var served: [String: CallRule] = [:]
    /// Refusals beyond the budget of their callers, which are in no line of the audit yet, and since when, in seconds lived.
    private var gathered: (counts: [ID: Int64], since: Double) = ([:], 0)
    /// It is on disk since when the books are known, or will be with this turn.
    private var knowsBooks = false

    private struct Running {
        var rule: CallRule
        var part: Int64 = 0
        var bytes = 0
    }

    private struct RateKey: Hashable {
        var caller: Address
        /// `nil` for refusals of any command.
        var command: String?
    }

    /// An answer on its way to its caller.
    struct ReplyDraft {
        var key: ServedCall.Name
        var owner: ID
        /// What the content says besides its kind.
        var members: JSONObject
        /// Seconds.
        var expiry: Double
        /// The answer that ends a call goes once, however often it is given to the outbox.
        var ref: String?
    }

    // MARK: - Asked

    mutating func asked(_ content: CallContent, in context: inout Context) throws(LedgerError) -> ReplyDraft? {
        guard let name = content.name, let command = content.command else {
            try context.reject(Rejection(.content, "a call without a name or a command"), from: content.sender)
            return nil
        }
        let key = ServedCall.Name(caller: content.sender, call: name)
        if let known = try context.ledger.servedCall(key) {
            guard let answer = known.answer, let members = try? JSON(parsing: answer).object else { return nil }
            // Each is a line and an answer, so that they count like refusals.
            guard takeRefusal(of: key.caller, at: context.now.lived) else { return nil }
            try Self.record("repeated", for: key, command: known.command, of: known.owner, in: context)
            return ReplyDraft(key: key, owner: known.owner, members: members, expiry: Tuning.refusalExpiry)
        }
        let books = try Self.beginningOfBooks(in: context)
        let run: CallRun
        do throws(Refusal) {
            run = try self.run(for: content, key: key, command: command, booksBegan: books, in: context)
        } catch {
            return try refuse(key, command: command, of: content.owner, because: error, in: &context)
        }
        return try begin(run, in: &context)
    }

    /// Everything that has to be so, in the order in which it may be told to the caller.
    private mutating func run(
        for content: CallContent, key: ServedCall.Name, command: String, booksBegan: Double, in context: Context
    ) throws(Refusal) -> CallRun {
        guard content.isSealed else { throw Self.refusal("not-sealed", text: "only what is sealed is a call") }
        guard !Self.isOff(context) else { throw Self.refusal("calls-off", text: "this board takes no calls now") }
        // The section as it is now is the rule, whatever a program said that serves the command.
        guard let rule = context.policy.calls.first(where: { $0.command == command }) ?? served[command] else {
            throw Self.refusal("no-such-command", text: "there is no command \(command)")
        }
        guard rule.allows(content.sender, in: context.book) else {
            throw Self.refusal("not-permitted", text: "you may not call \(command)")
        }
        guard rule.program != nil || served[command] != nil else {
            throw Self.refusal("not-served", text: "nothing serves \(command) now")
        }
        let now = context.now
        guard let deadline = content.object["deadline"]?.double, (1...1e11).contains(deadline) else {
            throw Self.refusal("bad-deadline", text: "a call has a deadline")
        }
        guard now.isClockSet else { throw Self.refusal("clock-unset", text: "the clock of this board is not set") }
        guard now.wall < deadline else { throw Self.refusal("expired", text: "the deadline has passed") }
        guard deadline <= now.wall + Tuning.longestCall else {
            throw Self.refusal("bad-deadline", text: "a deadline is at most a day ahead")
        }
        guard content.time >= booksBegan else {
            throw Self.refusal("restored", text: "it was written before the books that this board has")
        }
        guard take(1, of: rule.rate, for: RateKey(caller: key.caller.address, command: command), at: now.lived) else {
            throw Self.refusal("too-many-calls", text: "at most \(rule.rate) calls of \(command) a minute")
        }
        let arguments = try Self.arguments(of: content.object, by: rule, matches: context.matches)
        let input = content.object["input"]?.string
        guard (input ?? "").utf8.count <= Tuning.callInput else {
            throw Self.refusal("bad-argument", text: "the input is longer than \(Tuning.callInput) bytes")
        }
        let own = running.keys.count { $0.caller.address == key.caller.address }
        guard running.count < Tuning.runningCalls, own < Tuning.runningCallsOfOne else {
            throw Self.refusal("busy", text: "too many calls run now")
        }
        return CallRun(
            key: key, owner: content.owner, rule: rule, deadline: deadline, arguments: arguments, input: input)
    }

    private static func arguments(
        of object: JSONObject, by rule: CallRule, matches: (String, String) -> Bool
    ) throws(Refusal) -> [String] {
        let list = object["args"]?.array ?? []
        guard list.count <= rule.arguments.count else {
            throw refusal("bad-argument", text: "\(rule.command) takes at most \(rule.arguments.count) arguments")
        }
        guard list.count >= rule.arguments.count(where: { !$0.isOptional }) else {
            throw refusal("bad-argument", text: "an argument of \(rule.command) is missing")
        }
        var arguments: [String] = []
        for (place, (json, wanted)) in zip(list, rule.arguments).enumerated() {
            guard let text = json.string ?? json.integer.map(String.init) ?? json.bool.map({ $0 ? "true" : "false" })
            else {
                throw refusal("bad-argument", text: "argument \(place + 1) is no text, whole number or truth value")
            }
            if let fault = wanted.fault(of: text, matches: matches) {
                throw refusal("bad-argument", text: "argument \(place + 1) \(fault)")
            }
            arguments.append(text)
        }
        return arguments
    }

    private mutating func begin(_ run: CallRun, in context: inout Context) throws(LedgerError) -> ReplyDraft? {
        let all = context.ledger.servedCalls
        // Few of all are few of one.
        let own = all < Tuning.servedCallsOfOne ? 0 : try context.ledger.servedCalls(of: run.key.caller)
        guard all < Tuning.servedCalls, own < Tuning.servedCallsOfOne else {
            let refusal = Self.refusal("busy", text: "too many calls are remembered")
            return try refuse(run.key, command: run.rule.command, of: run.owner, because: refusal, in: &context)
        }
        running[run.key] = Running(rule: run.rule)
        try context.ledger.apply(
            .served(ServedCall(key: run.key, owner: run.owner, command: run.rule.command, deadline: run.deadline)))
        try Self.record("begun", for: run.key, command: run.rule.command, of: run.owner, in: context)
        context.perform(.call(.run(run)))
        return nil
    }

    /// Since when this board knows which calls it has begun, in whole seconds since 1970; what was written before may have
    /// run, and the books that said so are gone. A database without the word is a new one, or has taken the place of another.
    private static func beginningOfBooks(in context: Context) throws(LedgerError) -> Double {
        let now = context.now
        let known = try context.ledger.value(.callsSince).flatMap(Double.init)
        if let known, known <= now.wall || !now.isClockSet { return known }
        // A word from the future was written by a wrong clock.
        if now.isClockSet { try context.ledger.apply(.value(.callsSince, "\(now.wall.rounded(.down))")) }
        return now.wall.rounded(.down)
    }

    /// The books came back from a backup, or are a copy. No backup has the audit's files.
    func restored(in context: Context) throws(LedgerError) {
        try context.ledger.apply(.value(.callsSince, nil))
        try context.ledger.apply(.value(.auditFront, nil))
        _ = try Self.beginningOfBooks(in: context)
    }

    /// Of many refusals to one caller some have no answer, as answers wait in the outbox and would fill it, and no line of
    /// their own in the audit.
    private mutating func refuse(
        _ key: ServedCall.Name, command: String, of owner: ID, because refusal: Refusal, in context: inout Context
    ) throws(LedgerError) -> ReplyDraft? {
        guard takeRefusal(of: key.caller, at: context.now.lived) else {
            gather(key.caller, at: context.now.lived)
            return nil
        }
        try Self.record("refused", for: key, command: command, of: owner, reason: refusal.reason, in: context)
        try context.note(
            .call, level: .warning, text: "refused a call of \(command): \(refusal.text)", did: key.caller,
            reason: "call-refused")
        // Whether it ran before the books came back nobody knows.
        let status: Int64 = ["expired", "restored"].contains(refusal.reason) ? 75 : 77
        let result = CallResult(status: status, output: "", error: refusal.reason)
        return ReplyDraft(
            key: key, owner: owner, members: Self.members(result, part: 0, call: key.call, command: command),
            expiry: Tuning.refusalExpiry)
    }

    private static func refusal(_ reason: String, text: String) -> Refusal {
        Refusal(.notPermitted, reason, text)
    }

    private mutating func takeRefusal(of caller: ID, at lived: Double) -> Bool {
        take(1, of: Tuning.refusalsPerMinute, for: RateKey(caller: caller.address, command: nil), at: lived)
    }

    private mutating func gather(_ caller: ID, at lived: Double) {
        if gathered.counts.isEmpty { gathered.since = lived }
        guard gathered.counts.count < Tuning.callRates || gathered.counts[caller] != nil else { return }
        gathered.counts[caller, default: 0] += 1
    }

    /// When `tick` is wanted, in seconds lived.
    var nextDue: Double? { gathered.counts.isEmpty ? nil : gathered.since + Tuning.gatheringOfRefusals }

    mutating func tick(in context: inout Context) throws(LedgerError) {
        if context.now.isClockSet, !knowsBooks {
            _ = try Self.beginningOfBooks(in: context)
            knowsBooks = true
        }
        guard let nextDue, context.now.lived >= nextDue else { return }
        for (caller, count) in gathered.counts.sorted(by: { $0.key.text < $1.key.text }) {
            try Self.record(
                ["what": "refused", "caller": .string(caller.text), "count": .integer(count)], in: context)
        }
        gathered.counts = [:]
    }

    private mutating func take(_ count: Double, of rate: Int, for key: RateKey, at lived: Double) -> Bool {
        if rates.count >= Tuning.callRates, rates[key] == nil {
            rates = rates.filter { !$0.value.hasRoom(at: lived) }
            // Anybody can be refused. Who may call is counted, however many they are.
            guard rates.count < Tuning.callRates || key.command != nil else { return false }
        }
        let perSecond = Double(rate) / 60
        return rates[key, default: Budget(perSecond: perSecond, burst: Double(rate))].take(count, at: lived)
    }

    // MARK: - Said

    mutating func heard(_ news: CallNews, in context: inout Context) throws(LedgerError) -> [ReplyDraft] {
        switch news {
        case .restarted: return try interruptLeft(in: &context)
        case .said(let key, let result): return [try said(result, for: key, in: &context)].compactMap { $0 }
        case .switched(let isOn):
            try context.ledger.apply(.value(.callsOff, isOn ? nil : "1"))
            context.book.apply(.callsOff(!isOn))
            return isOn ? [] : try interruptAll(in: &context)
        case .serves(let rule):
            served[rule.command] = rule
            return []
        case .left(let command):
            served[command] = nil
            return []
        }
    }

    private mutating func said(
        _ result: CallResult, for key: ServedCall.Name, in context: inout Context
    ) throws(LedgerError) -> ReplyDraft? {
        guard var call = running[key], let row = try context.ledger.servedCall(key) else { return nil }
        guard result.isFinal || !result.output.isEmpty else { return nil }
        var result = result
        let room = call.rule.output - call.bytes
        // Its caller takes no more than so many parts.
        let isLong = !result.isFinal && call.part >= Tuning.callParts
        if result.output.utf8.count > room || isLong {
            result = CallResult(
                status: 75, output: Self.cut(result.output, to: room), error: "output-too-large", isFinal: true)
            context.perform(.call(.stop(key)))
        }
        let part = call.part
        call.bytes += result.output.utf8.count
        call.part += 1
        running[key] = result.isFinal ? nil : call
        guard result.isFinal else {
            return ReplyDraft(
                key: key, owner: row.owner,
                members: Self.members(result, part: part, call: key.call, command: row.command),
                expiry: Self.expiry(of: row, in: context))
        }
        return try end(row, with: result, part: part, in: &context)
    }

    private func end(
        _ row: ServedCall, with result: CallResult, part: Int64, in context: inout Context
    ) throws(LedgerError) -> ReplyDraft {
        var row = row
        let members = Self.members(result, part: part, call: row.key.call, command: row.command)
        row.answer = JSON.object(members).text
        try context.ledger.apply(.served(row))
        let what = result.error == "interrupted" ? "interrupted" : "ended"
        try Self.record(
            what, for: row.key, command: row.command, of: row.owner, status: result.status, reason: result.error,
            in: context)
        let isWell = result.error == nil
        try context.note(
            .call, level: isWell ? .info : .warning,
            text: "\(row.command) ended with \(result.status)" + (result.error.map { ": \($0)" } ?? ""),
            did: row.key.caller, reason: result.error == "interrupted" ? "call-interrupted" : "call-ended")
        return Self.last(members, to: row, in: context)
    }

    private static func last(_ members: JSONObject, to row: ServedCall, in context: Context) -> ReplyDraft {
        let name = Hex.encode(
            Array(Digest.sha256(Array("\(row.key.call) \(JSON.object(members).text)".utf8)).prefix(16)))
        return ReplyDraft(
            key: row.key, owner: row.owner, members: members, expiry: expiry(of: row, in: context),
            ref: "reply-\(name)")
    }

    /// What was begun and has no answer ended with the daemon that began it, and whether it did what it was to do nobody
    /// knows.
    ///
    /// What has an answer gets it once more: the daemon may have ended before it was sealed.
    private mutating func interruptLeft(in context: inout Context) throws(LedgerError) -> [ReplyDraft] {
        var replies: [ReplyDraft] = []
        if context.now.isClockSet { _ = try Self.beginningOfBooks(in: context) }
        // What one of the two places has lost it has again, before the other is lost too.
        let isOff = try context.ledger.value(.callsOff) != nil
        if isOff, !context.book.areCallsOff { context.book.apply(.callsOff(true)) }
        if !isOff, context.book.areCallsOff { try context.ledger.apply(.value(.callsOff, "1")) }
        for row in try context.ledger.answeredCalls(deadlineAfter: context.now.wall) {
            guard let members = row.answer.flatMap({ try? JSON(parsing: $0).object }) else { continue }
            replies.append(Self.last(members, to: row, in: context))
        }
        for row in try context.ledger.begunCalls() where running[row.key] == nil {
            // What the last run said before is there with lower numbers.
            let result = CallResult(status: 75, output: "", error: "interrupted")
            replies.append(try end(row, with: result, part: Self.lastPart, in: &context))
        }
        return replies
    }

    private mutating func interruptAll(in context: inout Context) throws(LedgerError) -> [ReplyDraft] {
        var replies: [ReplyDraft] = []
        for (key, call) in running.sorted(by: { $0.key.call < $1.key.call }) {
            guard let row = try context.ledger.servedCall(key) else { continue }
            context.perform(.call(.stop(key)))
            let result = CallResult(status: 75, output: "", error: "interrupted")
            replies.append(try end(row, with: result, part: call.part, in: &context))
        }
        running = [:]
        return replies
    }

    /// Of an answer that ends all, however many came before it.
    static let lastPart: Int64 = 1 << 40

    /// The word is in the database and beside it, as either may be lost without the other. What cannot be read is off.
    static func isOff(_ context: Context) -> Bool {
        do throws(LedgerError) {
            return try context.ledger.value(.callsOff) != nil || context.book.areCallsOff
        } catch {
            return true
        }
    }

    // MARK: - Words

    private static func members(_ result: CallResult, part: Int64, call: String, command: String) -> JSONObject {
        var members: JSONObject = [
            "app": "culver", "mod": "reply", "act": .string(command), "call": .string(call), "part": .integer(part),
            "status": .integer(min(max(result.status, 0), 255)), "output": .string(result.output),
        ]
        if let error = result.error { members["error"] = .string(error) }
        members["final"] = .bool(result.isFinal)
        return members
    }

    /// Its caller waits until the deadline; who asks again later is answered from the row.
    private static func expiry(of row: ServedCall, in context: Context) -> Double {
        min(max(0, row.deadline - context.now.wall), Tuning.longestCall) + Tuning.callMemory
    }

    /// No more than so many bytes, and no half character at the end.
    private static func cut(_ text: String, to bytes: Int) -> String {
        var taken = Array(text.utf8.prefix(max(0, bytes)))
        while String(validating: taken, as: UTF8.self) == nil { taken.removeLast() }
        return String(decoding: taken, as: UTF8.self)
    }

    private static func record(
        _ what: String, for key: ServedCall.Name, command: String, of owner: ID, status: Int64? = nil,
        reason: String? = nil, in context: Context
    ) throws(LedgerError) {
        var members: JSONObject = [
            "what": .string(what), "caller": .string(key.caller.text), "called": .string(owner.text),
            "command": .string(command), "call": .string(key.call),
        ]
        members["status"] = status.map { .integer($0) }
        members["reason"] = reason.map { .string($0) }
        try record(members, in: context)
    }

    private static func record(_ members: JSONObject, in context: Context) throws(LedgerError) {
        var line: JSONObject = ["time": .number(context.recordedTime)]
        for (name, value) in members.members { line[name] = value }
        try context.ledger.apply(.audit(AuditLine(line, after: context.ledger.lastAudit())))
    }
}
