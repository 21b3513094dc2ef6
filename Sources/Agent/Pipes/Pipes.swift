import DIMP
import Format
import Records

/// Pipes: what programs of this board write goes out as messages of the outbox, what peers' programs write waits in the
/// ledger until a program here has taken it, and each side says how far its program has come.
///
/// The writer has at most `PipeLimits.window` pieces beyond the reader's word, so both boards keep no more than that. A piece
/// counts as written when its row is on disk; that row is what is repeated, and its `ref` is by what a program that writes
/// again writes nothing twice. A row that ends otherwise than delivered would be a hole, and ends the pipe.
struct Pipes {
    /// Messages that were given to the outbox and are not on disk yet, by the token that their answers have.
    private var underway: [UInt64: PipeMessage] = [:]
    private var lastToken = tokens.lowerBound
    /// Pieces that are on disk behind one that is not: numbers by stream.
    private var ahead: [String: Set<Int64>] = [:]
    /// When what could not be said is said again.
    private var retry: Double?
    /// Answers to streams that are not taken: a peer chooses their names.
    private var refusals = Budget(perSecond: Tuning.pipeRefusalsPerSecond, burst: Tuning.pipeRefusalsAtOnce)

    /// These tokens are of messages that nobody local waits for but this machine. Those behind them are of bridges.
    static let tokens: Range<UInt64> = 1 << 62..<1 << 63

    private struct PipeMessage {
        var key: PipeRecord.PipeKey
        /// The stream that this board's program writes; `nil` when none has opened the pipe.
        var pipe: String?
        var kind: Kind

        enum Kind {
            case piece(Int64, isEnd: Bool, client: UInt64)
            case taken(Int64)
            case error
            /// Of a stream that goes nowhere: nobody owes it.
            case refusal
        }
    }

    /// Whether the row carries something of a pipe without which the pipe cannot go on.
    static func owns(_ row: Outgoing) -> Bool { row.ref?.hasPrefix("pipe ") == true }

    func nextDue(in context: Context) -> Double? { [context.ledger.nextPipeDue, retry].compactMap { $0 }.min() }

    // MARK: - Programs

    mutating func heard(_ news: PipeNews, in context: inout Context) throws(LedgerError) -> [Submission] {
        switch news {
        case .restarted(let back): return try restart(without: back, in: &context)
        case .opened(let key, let owner, let peer, let resumed):
            try open(key, owner: owner, peer: peer, resuming: resumed, in: &context)
            return []
        case .write(let wish): return try write(wish, in: &context)
        case .taken(let pipe, let number):
            guard let row = try openRow(pipe, in: context) else { return [] }
            return try programHasTaken(upTo: number, of: row, in: &context)
        case .closed(let pipe, let error):
            guard let row = try openRow(pipe, in: context) else { return [] }
            return try fail(row, because: error, isPeerTold: true, in: &context)
        case .left(let pipe):
            guard var row = try openRow(pipe, in: context) else { return [] }
            row.due = context.now.lived + Tuning.pipePatience
            try context.ledger.apply(.pipe(row))
            return []
        }
    }

    private func openRow(_ pipe: String, in context: Context) throws(LedgerError) -> PipeRecord? {
        guard let row = try context.ledger.pipe(output: pipe), row.state == .open else { return nil }
        return row
    }

    /// No program is there, and what was not said before the last end is said.
    private mutating func restart(
        without back: Set<String>, in context: inout Context
    ) throws(LedgerError) -> [Submission] {
        for var row in try context.ledger.pipes() where row.state == .open && row.due == nil {
            guard let pipe = row.output.stream, !back.contains(pipe) else { continue }
            row.due = context.now.lived + Tuning.pipePatience
            try context.ledger.apply(.pipe(row))
        }
        return try sayOwed(in: &context)
    }

    private func open(
        _ key: PipeRecord.PipeKey, owner: ID, peer: ID, resuming resumed: String?, in context: inout Context
    ) throws(LedgerError) {
        let known = try context.ledger.pipe(key)
        var row = known ?? PipeRecord(key: key, owner: owner, peer: peer, state: .open)
        if let known {
            switch known.state {
            case .open: break
            case .waiting: row.state = .open
            case .over:
                guard resumed == nil else { return }
                row = known.followed(by: owner, peer: peer, state: .open)
            }
        }
        guard resumed == nil || resumed == row.output.stream else { return }
        if row.output.stream == nil { row.output.stream = try newStream(in: context) }
        row.due = nil
        try context.ledger.apply(.pipe(row))
    }

    private func newStream(in context: Context) throws(LedgerError) -> String {
        let last = try context.ledger.value(.pipeStreams).flatMap(PipeStream.init)
        let next = PipeStream(epoch: last?.epoch ?? context.newID(), number: (last?.number ?? 0) + 1)
        try context.ledger.apply(.value(.pipeStreams, next.text))
        return next.text
    }

    // MARK: - Out

    private mutating func write(_ wish: PipeWrite, in context: inout Context) throws(LedgerError) -> [Submission] {
        guard let row = try openRow(wish.pipe, in: context) else {
            context.refuse(
                wish.token, as: .ended, reason: "pipe-ended", text: "there is no open pipe \(wish.pipe)")
            return []
        }
        // A piece that is written again is known by its ref, whatever has become of it.
        guard wish.number <= given(row) else {
            context.refuse(
                wish.token, as: .badData, reason: "out-of-order",
                text: "piece \(given(row)) comes before piece \(wish.number)")
            return []
        }
        if let end = numberOfEnd(of: row), wish.number > end || (wish.number == end) != (wish.data == nil) {
            context.refuse(
                wish.token, as: .badData, reason: "pipe-closed", text: "the pipe was closed for writing at \(end)")
            return []
        }
        guard wish.number < row.output.taken + PipeLimits.window else {
            context.refuse(
                wish.token, as: .notNow, reason: "pipe-full",
                text: "the reader has taken \(row.output.taken) pieces, and \(PipeLimits.window) are on their way")
            return []
        }
        var members: JSONObject = ["n": .integer(wish.number)]
        members["data"] = wish.data.map { .string($0) }
        let kind = PipeMessage.Kind.piece(wish.number, isEnd: wish.data == nil, client: wish.token)
        var submission = submission(
            wish.data == nil ? .end : .data, with: members, of: row, stream: wish.pipe, as: kind,
            ref: Self.ref(wish.pipe, piece: wish.number), priority: .bulk)
        submission.extra["to"] = row.input.stream.map { .string($0) }
        if let last = row.last, let stream = last.input {
            submission.extra["last"] = .string(stream)
            submission.extra["lastTaken"] = .integer(last.taken)
        }
        return [submission]
    }

    /// The number up to which pieces were given to the outbox.
    private func given(_ row: PipeRecord) -> Int64 {
        var next = row.written
        for message in underway.values where message.pipe == row.output.stream {
            if case .piece(let number, _, _) = message.kind { next = max(next, number + 1) }
        }
        return max(next, (row.output.stream.flatMap { ahead[$0]?.max() } ?? -1) + 1)
    }

    /// The number of the end of what this board writes, also of one that is not on disk yet.
    private func numberOfEnd(of row: PipeRecord) -> Int64? {
        if let end = row.output.end { return end }
        for message in underway.values where message.pipe == row.output.stream {
            if case .piece(let number, isEnd: true, _) = message.kind { return number }
        }
        return nil
    }

    private mutating func submission(
        _ act: PipeContent.PipeAct, with members: JSONObject, of row: PipeRecord, stream: String?,
        as kind: PipeMessage.Kind,
        ref: String? = nil, priority: Priority = .urgent
    ) -> Submission {
        var all: JSONObject = [
            "app": "culver", "mod": "pipe", "act": .string(act.rawValue), "pipe": .string(row.key.name),
        ]
        all["stream"] = stream.map { .string($0) }
        for (name, value) in members.members { all[name] = value }
        lastToken += 1
        underway[lastToken] = PipeMessage(key: row.key, pipe: row.output.stream, kind: kind)
        return Submission(
            token: lastToken, sender: row.owner, receiver: row.peer, type: .customized, members: all, ref: ref,
            priority: priority)
    }

    private static func ref(_ pipe: String, piece: Int64) -> String { "pipe \(pipe) \(piece)" }

    // MARK: - What became of it

    /// The outbox has a message of a pipe on disk, or does not take it.
    mutating func answered(
        _ token: UInt64, as answer: Answer, in context: inout Context
    ) throws(LedgerError) -> [Submission] {
        guard let message = underway.removeValue(forKey: token) else { return [] }
        guard case .accepted(let id, _, _, _) = answer else {
            refused(message, as: answer, in: &context)
            return []
        }
        // Of another pipe under this name if that one is over.
        let found = try context.ledger.pipe(message.key)
        let row = found?.output.stream == message.pipe ? found : nil
        switch message.kind {
        case .piece(let number, let isEnd, let client):
            context.answer(client, with: answer)
            if let row, row.state == .open {
                try isWritten(number, isEnd: isEnd, of: row, in: &context)
            } else if let late = try context.ledger.outgoing(id: id) {
                try Outbox.end(late, by: .cancelled, reason: "pipe-ended", in: &context)
            }
        case .taken(let count):
            guard var row, row.state == .open, count > row.told else { return [] }
            row.told = count
            try endIfOver(row, in: &context)
        case .error:
            guard var row, row.isUntold else { return [] }
            row.isUntold = false
            try context.ledger.apply(.pipe(row))
        case .refusal: break
        }
        return []
    }

    /// The turn of a message could not be written down: nothing is written here either.
    mutating func gaveUp(_ token: UInt64, as answer: Answer, in context: inout Context) {
        guard let message = underway.removeValue(forKey: token) else { return }
        refused(message, as: answer, in: &context)
    }

    private mutating func refused(_ message: PipeMessage, as answer: Answer, in context: inout Context) {
        switch message.kind {
        case .piece(_, _, let client): context.answer(client, with: answer)
        case .taken, .error: retry = min(retry ?? .infinity, context.now.lived + Tuning.pipeRetry)
        case .refusal: break
        }
    }

    private mutating func isWritten(
        _ number: Int64, isEnd: Bool, of row: PipeRecord, in context: inout Context
    ) throws(LedgerError) {
        guard let pipe = row.output.stream, number >= row.written else { return }
        var row = row
        ahead[pipe, default: []].insert(number)
        advance(&row)
        if isEnd { row.output.end = number }
        try endIfOver(row, in: &context)
    }

    /// Past all that is on disk without a hole.
    private mutating func advance(_ row: inout PipeRecord) {
        guard let pipe = row.output.stream, var numbers = ahead[pipe] else { return }
        while numbers.contains(row.written) { row.written += 1 }
        let written = row.written
        numbers = numbers.filter { $0 > written }
        ahead[pipe] = numbers.isEmpty ? nil : numbers
    }

    /// A message of a pipe ended otherwise than delivered. It is no hole if the peer has said what comes after it, or if this
    /// board has.
    mutating func ended(_ message: Outgoing, in context: inout Context) throws(LedgerError) -> [Submission] {
        let words = (message.ref ?? "").split(separator: " ")
        guard words.count == 3, let row = try openRow(String(words[1]), in: context),
            row.key.peer == message.receiver.address
        else { return [] }
        let isWord = words[2].hasPrefix("t")
        guard let number = Int64(isWord ? words[2].dropFirst() : words[2]),
            number >= (isWord ? row.told : row.output.taken)
        else { return [] }
        return try fail(row, because: "undelivered", isPeerTold: true, in: &context)
    }

    // MARK: - In

    mutating func take(_ content: PipeContent, in context: inout Context) throws(LedgerError) -> [Submission] {
        guard content.isSealed, let act = content.act, let key = content.key else {
            try context.reject(Rejection(.content, "a piece of a pipe that cannot be read"), from: content.sender)
            return []
        }
        guard context.book.isPersonallyTrusted(content.sender) else {
            try context.reject(Rejection(.trust, "a pipe of somebody who is no contact"), from: content.sender)
            return []
        }
        let known = try context.ledger.pipe(key)
        switch (act, content.stream, content.number) {
        case (.data, let stream?, let number?), (.end, let stream?, let number?):
            return try arrived(content, stream: stream, number: number, at: known, key: key, in: &context)
        case (.taken, let stream?, let count?):
            return try peerHasTaken(count, of: stream, at: known, from: content.sender, in: &context)
        case (.error, let stream, _):
            return try peerGaveUp(content, stream: stream, at: known, key: key, in: &context)
        default:
            try context.reject(Rejection(.content, "a piece of a pipe that cannot be read"), from: content.sender)
            return []
        }
    }

    private mutating func arrived(
        _ content: PipeContent, stream: PipeStream, number: Int64, at known: PipeRecord?, key: PipeRecord.PipeKey,
        in context: inout Context
    ) throws(LedgerError) -> [Submission] {
        if let to = content.object["to"]?.string, to != known?.output.stream {
            // The peer takes another pipe of this name for this one, and that one is over here.
            if let known, known.state != .over, known.input.stream == stream.text {
                return try fail(known, because: "reset", isPeerTold: true, in: &context)
            }
            try context.reject(Rejection(.content, "a piece of a pipe that is over"), from: content.sender)
            return turnAway(stream, of: key, in: content, because: "gone", at: context.now.lived)
        }
        if var row = known, row.state != .over {
            if row.input.stream == stream.text { return try keep(content, number: number, at: row, in: &context) }
            if row.input.stream == nil, row.state == .open, stream.isNewer(than: row.earlier) {
                row.input.stream = stream.text
                return try keep(content, number: number, at: row, in: &context)
            }
        }
        guard stream.isNewer(than: known?.input.stream), stream.isNewer(than: known?.earlier) else {
            try context.reject(Rejection(.content, "a piece of a pipe that is over"), from: content.sender)
            return turnAway(stream, of: key, in: content, because: "gone", at: context.now.lived)
        }
        let before = try end(known, before: content, in: &context)
        let count = try context.ledger.openPipes(owner: key.owner, peer: key.peer)
        let isReplaced = known?.state == .waiting
        guard isReplaced || (count.ofPeer < PipeLimits.ofPeer && count.all < PipeLimits.all) else {
            try context.reject(Rejection(.content, "more pipes than this board takes"), from: content.sender)
            return turnAway(stream, of: key, in: content, because: "too-many-pipes", at: context.now.lived)
        }
        if isReplaced { try context.ledger.apply(.forgetPipe(key)) }
        let (owner, peer) = (content.owner, content.sender)
        var row =
            before?.followed(by: owner, peer: peer, state: .waiting)
            ?? PipeRecord(key: key, owner: owner, peer: peer, state: .waiting)
        row.input.stream = stream.text
        row.due = context.now.lived + Tuning.longestUnopened
        try context.ledger.apply(.pipe(row))
        return try keep(content, number: number, at: row, in: &context)
    }

    /// The peer's program has begun anew, so for the peer the last pipe of this name is over: well if the peer says that all
    /// of it was taken.
    private mutating func end(
        _ known: PipeRecord?, before content: PipeContent, in context: inout Context
    ) throws(LedgerError) -> PipeRecord? {
        guard var row = known, row.state == .open else { return known }
        if content.object["last"]?.string == row.output.stream, let count = content.object["lastTaken"]?.integer {
            row.output.taken = max(row.output.taken, min(count, row.written))
        }
        if row.input.isOver, row.output.isOver {
            try finish(row, in: &context)
        } else {
            _ = try fail(row, because: "reset", isPeerTold: false, in: &context)
        }
        return try context.ledger.pipe(row.key)
    }

    /// Tells the peer that its stream goes nowhere, once for each stream.
    private mutating func turnAway(
        _ stream: PipeStream, of key: PipeRecord.PipeKey, in content: PipeContent, because error: String,
        at lived: Double
    ) -> [Submission] {
        guard refusals.take(at: lived) else { return [] }
        let row = PipeRecord(key: key, owner: content.owner, peer: content.sender, state: .over)
        let members: JSONObject = ["to": .string(stream.text), "error": .string(error)]
        return [submission(.error, with: members, of: row, stream: nil, as: .refusal, ref: "no pipe \(stream.text)")]
    }

    private mutating func keep(
        _ content: PipeContent, number: Int64, at row: PipeRecord, in context: inout Context
    ) throws(LedgerError) -> [Submission] {
        var row = row
        let isEnd = content.act == .end
        if number < row.input.taken { return [] }
        guard number < row.input.taken + PipeLimits.window else {
            return try refuse(row, words: "a piece beyond the window", because: "bad-window", in: &context)
        }
        if let end = row.input.end, isEnd ? number != end : number >= end {
            return try refuse(row, words: "a piece after the end of a pipe", because: "bad-piece", in: &context)
        }
        if isEnd {
            row.input.end = number
            try context.ledger.apply(.pipe(row))
        } else {
            guard let data = content.object["data"]?.string.flatMap(Base64.decode), !data.isEmpty,
                data.count <= Tuning.longestPiece
            else {
                return try refuse(
                    row, words: "a piece of a pipe without bytes, or too many", because: "bad-piece", in: &context)
            }
            try context.ledger.apply(.pipe(row))
            try context.ledger.apply(.piece(PipePiece(pipe: row.key, number: number, data: data)))
        }
        if let pipe = row.output.stream { context.perform(.pipe(.changed(pipe))) }
        return []
    }

    /// What a right peer never sends: nothing after it can be taken either.
    private mutating func refuse(
        _ row: PipeRecord, words: String, because error: String, in context: inout Context
    ) throws(LedgerError) -> [Submission] {
        try context.reject(Rejection(.content, words), from: row.peer)
        return try fail(row, because: error, isPeerTold: true, in: &context)
    }

    private mutating func peerHasTaken(
        _ count: Int64, of stream: PipeStream, at known: PipeRecord?, from sender: ID, in context: inout Context
    ) throws(LedgerError) -> [Submission] {
        guard var row = known, row.state == .open, row.output.stream == stream.text,
            count <= row.output.taken + PipeLimits.window, count <= (row.output.end ?? .max - 1) + 1
        else {
            try context.reject(Rejection(.content, "the word of a reader for no pipe"), from: sender)
            return []
        }
        guard count > row.output.taken else { return [] }
        row.output.taken = count
        // A power cut may have forgotten that these were on disk already; the peer has them.
        row.written = max(row.written, count)
        advance(&row)
        try endIfOver(row, in: &context)
        return []
    }

    private mutating func peerGaveUp(
        _ content: PipeContent, stream: PipeStream?, at known: PipeRecord?, key: PipeRecord.PipeKey,
        in context: inout Context
    ) throws(LedgerError) -> [Submission] {
        guard let error = CallContent.label(content.object["error"]) else {
            try context.reject(Rejection(.content, "a piece of a pipe that cannot be read"), from: content.sender)
            return []
        }
        let to = content.object["to"]?.string
        if var row = known, row.state != .over,
            to.map({ $0 == row.output.stream }) == true || stream.map({ $0.text == row.input.stream }) == true
        {
            if row.input.stream == nil { row.input.stream = stream?.text }
            // A peer that knows no stream of this board may have begun another pipe, which has taken it for its own.
            return try fail(row, because: error, isPeerTold: to == nil, in: &context)
        }
        // Pieces of it may be on their way still.
        guard let stream, known?.input.stream == nil || known?.state == .over,
            stream.isNewer(than: known?.input.stream ?? known?.earlier)
        else { return [] }
        var row = known ?? PipeRecord(key: key, owner: content.owner, peer: content.sender, state: .over)
        row.earlier = stream.text
        if known == nil { (row.error, row.due) = (error, context.now.lived + Tuning.pipeMemory) }
        try context.ledger.apply(.pipe(row))
        return []
    }

    // MARK: - The reader's word

    /// This board's program has taken everything up to a number.
    private mutating func programHasTaken(
        upTo number: Int64, of row: PipeRecord, in context: inout Context
    ) throws(LedgerError) -> [Submission] {
        guard number >= row.input.taken, number < row.input.taken + PipeLimits.window, number <= row.input.end ?? .max
        else { return [] }
        var row = row
        row.input.taken = number + 1
        try context.ledger.apply(.pipe(row))
        return say(row)
    }

    /// Tells the peer how far this board's program has come, if it is worth a message.
    private mutating func say(_ row: PipeRecord) -> [Submission] {
        guard let pipe = row.output.stream, let stream = row.input.stream else { return [] }
        var said = row.told
        for message in underway.values where message.pipe == pipe {
            if case .taken(let count) = message.kind { said = max(said, count) }
        }
        let isDue = row.input.isOver || row.input.taken - said >= Tuning.pipeWordAfter
        guard row.input.taken > said, isDue else { return [] }
        let count = row.input.taken
        return [
            submission(
                .taken, with: ["n": .integer(count)], of: row, stream: stream, as: .taken(count),
                ref: "pipe \(pipe) t\(count)")
        ]
    }

    // MARK: - Ends

    /// Writes the row, as one that is over when both directions are and the peer will hear so.
    private func endIfOver(_ row: PipeRecord, in context: inout Context) throws(LedgerError) {
        if row.output.isOver, row.input.isOver, row.told >= row.input.taken { return try finish(row, in: &context) }
        try context.ledger.apply(.pipe(row))
        if let pipe = row.output.stream { context.perform(.pipe(.changed(pipe))) }
    }

    private func finish(_ row: PipeRecord, in context: inout Context) throws(LedgerError) {
        var row = row
        row.state = .over
        row.earlier = row.input.stream ?? row.earlier
        row.due = context.now.lived + Tuning.pipeMemory
        try context.ledger.apply(.pipe(row))
        if let pipe = row.output.stream { context.perform(.pipe(.over(pipe, error: nil))) }
    }

    /// Ends both directions at once: what was not taken is thrown away, and what did not arrive is called back.
    private mutating func fail(
        _ row: PipeRecord, because error: String, isPeerTold: Bool, in context: inout Context
    ) throws(LedgerError) -> [Submission] {
        var row = row
        let last = given(row)
        row.state = .over
        row.error = error
        row.earlier = row.input.stream ?? row.earlier
        row.due = context.now.lived + Tuning.pipeMemory
        row.isUntold = isPeerTold && (row.input.stream != nil || last > 0)
        try context.ledger.apply(.pipe(row))
        if let pipe = row.output.stream {
            ahead[pipe] = nil
            let end = min(max(last, row.output.taken), row.output.taken + PipeLimits.window)
            try callBack(row.output.taken..<end, of: row, in: &context)
            context.perform(.pipe(.over(pipe, error: error)))
        }
        return row.isUntold ? [sayError(row)] : []
    }

    private mutating func sayError(_ row: PipeRecord) -> Submission {
        var members: JSONObject = ["error": .string(row.error ?? "gone")]
        members["to"] = row.input.stream.map { .string($0) }
        return submission(.error, with: members, of: row, stream: row.output.stream, as: .error)
    }

    /// What the peer need not have any more is not repeated.
    private func callBack(
        _ numbers: Range<Int64>, of row: PipeRecord, in context: inout Context
    ) throws(LedgerError) {
        guard let pipe = row.output.stream else { return }
        for number in numbers {
            let message = try context.ledger.outgoing(
                sender: row.owner, receiver: row.peer, group: nil, ref: Self.ref(pipe, piece: number))
            if let message { try Outbox.end(message, by: .cancelled, reason: "pipe-ended", in: &context) }
        }
    }

    /// The books are a copy: nobody knows what was written and taken since.
    mutating func restored(in context: inout Context) throws(LedgerError) -> [Submission] {
        try context.ledger.apply(.value(.pipeStreams, nil))
        return try failAll(because: "restored", isPeerTold: true, in: &context) { _ in true }
    }

    /// An identity of this board or a contact is gone, and with it its pipes.
    mutating func forget(_ id: ID, in context: inout Context) throws(LedgerError) {
        _ = try failAll(because: "gone", isPeerTold: false, in: &context) {
            $0.key.owner == id.address || $0.key.peer == id.address
        }
    }

    private mutating func failAll(
        because error: String, isPeerTold: Bool, in context: inout Context, where isMeant: (PipeRecord) -> Bool
    ) throws(LedgerError) -> [Submission] {
        var submissions: [Submission] = []
        for row in try context.ledger.pipes() where row.state != .over && isMeant(row) {
            submissions += try fail(row, because: error, isPeerTold: isPeerTold, in: &context)
        }
        return submissions
    }

    // MARK: - Time passes

    mutating func tick(in context: inout Context) throws(LedgerError) -> [Submission] {
        let now = context.now.lived
        guard let next = nextDue(in: context), next <= now else { return [] }
        var submissions: [Submission] = []
        for row in try context.ledger.pipes() where row.due.map({ $0 <= now }) ?? false {
            switch row.state {
            case .open: submissions += try fail(row, because: "gone", isPeerTold: true, in: &context)
            case .waiting: submissions += try fail(row, because: "expired", isPeerTold: true, in: &context)
            case .over: try context.ledger.apply(.forgetPipe(row.key))
            }
        }
        if let retry, retry <= now {
            self.retry = nil
            submissions += try sayOwed(in: &context)
        }
        return submissions
    }

    /// What is to be said and is in no message.
    private mutating func sayOwed(in context: inout Context) throws(LedgerError) -> [Submission] {
        var submissions: [Submission] = []
        for row in try context.ledger.pipes() {
            if row.state == .open { submissions += say(row) }
            let isSaid = underway.values.contains { message in
                if case .error = message.kind { message.key == row.key } else { false }
            }
            if row.isUntold, !isSaid { submissions.append(sayError(row)) }
        }
        return submissions
    }
}
