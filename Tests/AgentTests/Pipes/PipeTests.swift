import Agent
import DIMP
import Format
import Records
import TestSupport
import Testing

/// Pipes between two boards: moki's program and hulk's.
@Suite struct PipeTests {
    private let pair = Pair.friends()
    private let ids = [People.moki.id.bare, People.hulk.id.bare]

    private func key(_ board: Int, _ name: String = "pipe") -> PipeRecord.PipeKey {
        PipeRecord.PipeKey(owner: ids[board].address, peer: ids[1 - board].address, name: name)
    }

    private func row(_ board: Int, _ name: String = "pipe") -> PipeRecord? {
        pair.boards[board].ledger.pipe(key(board, name))
    }

    @discardableResult private func open(_ board: Int, _ name: String = "pipe", resuming: String? = nil) -> String {
        let key = key(board, name)
        pair.feed(board, .pipe(.opened(key, owner: ids[board], peer: ids[1 - board], resuming: resuming)))
        pair.settle()
        return row(board, name)?.output.stream ?? ""
    }

    /// Without a text the end. What the program is answered: `ok`, or the reason.
    @discardableResult private func write(
        _ board: Int, _ number: Int64, _ text: String?, name: String = "pipe", settling: Bool = true
    ) -> String {
        let token = pair.boards[board].newToken()
        let pipe = row(board, name)?.output.stream ?? "none"
        let data = text.map { Base64.encode(Array($0.utf8)) }
        pair.feed(board, .pipe(.write(PipeWrite(token: token, pipe: pipe, number: number, data: data))))
        guard settling else { return "" }
        pair.settle()
        return switch pair.boards[board].answers[token] {
        case .accepted: "ok"
        case .refused(let refusal): refusal.reason
        case nil: "unanswered"
        }
    }

    private func take(_ board: Int, upTo number: Int64) {
        pair.feed(board, .pipe(.taken(pipe: row(board)?.output.stream ?? "none", upTo: number)))
        pair.settle()
    }

    private func texts(_ board: Int) -> [String] {
        pair.boards[board].ledger.state.pieces.sorted { $0.number < $1.number }
            .map { String(decoding: $0.data, as: UTF8.self) }
    }

    private func ends(_ board: Int) -> [String] {
        pair.boards[board].pipeOrders.compactMap {
            if case .over(_, let error) = $0 { error ?? "well" } else { nil }
        }
    }

    private func lay(_ members: JSONObject, from board: Int) {
        var all: JSONObject = ["app": "culver", "mod": "pipe", "pipe": "pipe"]
        for (name, value) in members.members { all[name] = value }
        _ = pair.submit(.customized, all, from: board)
        pair.settle()
    }

    @Test("what is written waits at the reader until it is taken, and is no message of its inbox")
    func through() {
        open(0)
        #expect(["a", "b"].enumerated().map { write(0, Int64($0.offset), $0.element) } == ["ok", "ok"])
        #expect(texts(1) == ["a", "b"] && pair.b.inbox.isEmpty)
        #expect(row(1)?.state == .waiting)
        open(1)
        #expect(row(1)?.state == .open && row(1)?.due == nil)
        take(1, upTo: 0)
        #expect(texts(1) == ["b"])
        take(1, upTo: 1)
        #expect(texts(1).isEmpty && ends(0).isEmpty)
    }

    @Test("a pipe is over when both directions are and both programs have taken all, for both at once")
    func over() {
        open(0)
        open(1)
        write(0, 0, "a")
        write(0, 1, nil)
        take(1, upTo: 1)
        #expect(row(0)?.output.taken == 2 && ends(0).isEmpty && ends(1).isEmpty)
        write(1, 0, nil)
        #expect(ends(0).isEmpty && ends(1).isEmpty)
        take(0, upTo: 0)
        #expect(ends(0) == ["well"] && ends(1) == ["well"])
        #expect(row(0)?.state == .over && row(1)?.state == .over)
        #expect(pair.a.ledger.state.outgoing.allSatisfy { $0.state == .delivered })
    }

    @Test("a piece that is written again is answered and sent once; another with its number is refused")
    func again() {
        open(0)
        #expect(write(0, 0, "a") == "ok" && write(0, 0, "a") == "ok")
        #expect(write(0, 0, "b") == "ref-reused" && write(0, 2, "c") == "out-of-order")
        #expect(pair.a.ledger.state.outgoing.count == 1 && texts(1) == ["a"])
        // The answer was lost with the power, and so is what this board had in memory.
        pair.restart(0)
        #expect(write(0, 0, "a") == "ok" && write(0, 1, "b") == "ok" && texts(1) == ["a", "b"])
    }

    @Test("a writer that does not wait for answers keeps its order")
    func together() {
        open(0)
        for number in Int64(0)..<10 { write(0, number, "\(number)", settling: false) }
        pair.settle()
        #expect(row(0)?.written == 10 && texts(1).joined() == "0123456789")
    }

    @Test("beyond the window nothing is written until the reader has taken some, and the outbox keeps no more")
    func window() {
        open(0)
        open(1)
        for number in Int64(0)..<32 { #expect(write(0, number, "x") == "ok") }
        #expect(write(0, 32, "x") == "pipe-full" && row(0)?.written == 32)
        for number in Int64(0)..<7 { take(1, upTo: number) }
        // One word for several pieces.
        #expect(row(0)?.output.taken == 0)
        take(1, upTo: 7)
        #expect(row(0)?.output.taken == 8 && row(1)?.told == 8)
        #expect(pair.a.pipeOrders.contains(.changed(row(0)?.output.stream ?? "")))
        #expect(write(0, 39, "x") == "out-of-order" && write(0, 32, "x") == "ok")
        #expect(pair.b.ledger.state.outgoing.count == 1)
    }

    @Test("after the end nothing is written, and the end is said again")
    func closed() {
        open(0)
        #expect(write(0, 0, nil) == "ok" && write(0, 0, nil) == "ok")
        #expect(write(0, 0, "a") == "pipe-closed" && write(0, 1, "a") == "pipe-closed")
        pair.restart(0)
        #expect(write(0, 1, nil) == "pipe-closed")
        #expect(row(1)?.input.end == 0)
    }

    @Test(
        "a program that is away for two minutes is given up, and the peer's program told; one that comes back goes on")
    func away() {
        let pipe = open(0)
        open(1)
        write(0, 0, "a")
        for (board, seconds) in [(0, 100.0), (1, 100)] {
            pair.feed(board, .pipe(.left(pipe: row(board)?.output.stream ?? "")))
            pair.advance(seconds)
            #expect(row(board)?.due != nil && open(board) == row(board)?.output.stream && row(board)?.due == nil)
        }
        #expect(write(0, 1, "b") == "ok" && texts(1) == ["a", "b"])
        pair.feed(0, .pipe(.left(pipe: pipe)))
        pair.advance(121)
        #expect(ends(0) == ["gone"] && ends(1) == ["gone"] && texts(1).isEmpty)
        #expect(open(0, resuming: pipe) == pipe && row(0)?.state == .over)
        #expect(open(0) != pipe)
    }

    @Test("a restart is an absence of all programs, but of those that are back")
    func restarted() {
        let pipe = open(0)
        open(1)
        write(0, 0, "a")
        pair.restart(0)
        pair.feed(0, .pipe(.restarted(back: [pipe])))
        #expect(row(0)?.due == nil)
        pair.feed(0, .pipe(.restarted(back: [])))
        pair.advance(121)
        #expect(ends(0) == ["gone"] && ends(1) == ["gone"])
    }

    @Test("a program that gives up ends both directions at once, and calls back what did not arrive")
    func givenUp() {
        open(0)
        open(1)
        write(1, 0, "b")
        pair.unlink(1)
        for number in Int64(0)..<3 { write(0, number, "a") }
        pair.feed(0, .pipe(.closed(pipe: row(0)?.output.stream ?? "", error: "cancelled")))
        pair.settle()
        #expect(ends(0) == ["cancelled"] && texts(0).isEmpty)
        #expect(pair.a.ledger.state.outgoing.filter { $0.priority == .bulk }.allSatisfy { $0.state == .cancelled })
        pair.link(1)
        pair.advance(60)
        #expect(ends(1) == ["cancelled"] && texts(1).isEmpty)
        // A broker that had the pieces is no reason to begin another pipe.
        #expect(row(1)?.state == .over)
    }

    @Test(
        "a message of a pipe that is cancelled or expires ends the pipe on both sides, so that there is no hole",
        arguments: [true, false])
    func hole(isCancelled: Bool) throws {
        pair.a.policy.expiry = 50
        open(0)
        open(1)
        // Who has seen nothing of a pipe goes on waiting for one.
        write(0, 0, "seen")
        pair.unlink(1)
        pair.trouble = Pair.Trouble(lost: 1)
        write(0, 1, "a")
        write(0, 2, "b")
        if isCancelled {
            let last = try #require(pair.a.ledger.state.outgoing.last)
            pair.feed(0, .cancelled(id: last.id, token: pair.a.newToken()))
            pair.settle()
        } else {
            pair.advance(60)
        }
        #expect(ends(0) == ["undelivered"])
        pair.trouble = Pair.Trouble()
        pair.link(1)
        pair.advance(30)
        #expect(ends(1) == ["undelivered"])
        #expect(texts(1).isEmpty)
    }

    @Test("a late word is no hole: what comes after it was said already")
    func lateWord() throws {
        open(0)
        open(1)
        for number in Int64(0)..<16 { write(0, number, "x") }
        pair.trouble = Pair.Trouble(lost: 1)
        take(1, upTo: 7)
        let first = try #require(pair.b.ledger.state.outgoing.first)
        pair.trouble = Pair.Trouble()
        take(1, upTo: 15)
        #expect(row(0)?.output.taken == 16)
        pair.feed(1, .cancelled(id: first.id, token: pair.b.newToken()))
        pair.settle()
        #expect(ends(1).isEmpty && ends(0).isEmpty)
    }

    @Test(
        "pieces of an earlier pipe of that name come too late: they are dropped and counted, and their writer is told")
    func late() {
        let first = open(0)
        open(1)
        write(0, 0, "old")
        pair.feed(0, .pipe(.closed(pipe: first, error: "cancelled")))
        pair.settle()
        let second = open(0)
        open(1)
        write(0, 0, "new")
        #expect(second != first && texts(1) == ["new"])
        lay(["act": "data", "stream": .string(first), "n": 1, "data": "b2xk"], from: 0)
        #expect(texts(1) == ["new"] && pair.b.rejections.map(\.reason) == ["a piece of a pipe that is over"])
        #expect(ends(1) == ["cancelled"] && ends(0) == ["cancelled"])
        // So is a late error, and the word of a reader for it.
        lay(["act": "error", "stream": .string(first), "error": "x"], from: 0)
        lay(["act": "taken", "stream": .string(first), "n": 1], from: 1)
        #expect(row(0)?.state == .open && row(1)?.state == .open && row(0)?.output.taken == 0)
    }

    @Test("the peer's program has begun anew, so the pipe before it is over: a program that still has it is told")
    func reset() {
        open(0)
        let old = open(1)
        write(0, 0, "old")
        let epoch = (row(0)?.output.stream ?? "").split(separator: "-")[0]
        lay(["act": "data", "stream": .string("\(epoch)-99"), "n": 0, "data": "bmV3"], from: 0)
        #expect(ends(1) == ["reset"] && texts(1) == ["new"] && row(1)?.state == .waiting)
        // One that was away is told so when it comes back.
        #expect(row(1)?.last?.stream == old && row(1)?.last?.error == "reset")
    }

    @Test("a pipe that nobody opens is given up after a day")
    func unopened() {
        open(0)
        write(0, 0, "a")
        pair.advance(86_300)
        #expect(ends(0).isEmpty && texts(1) == ["a"])
        pair.advance(200)
        #expect(ends(0) == ["expired"] && texts(1).isEmpty)
    }

    @Test("a peer has eight pipes at the most, and hears of the ninth that it is none")
    func tooMany() {
        for number in 0..<9 {
            open(0, "p\(number)")
            write(0, 0, "a", name: "p\(number)")
        }
        #expect(pair.b.ledger.state.pipes.count == 8)
        #expect(pair.b.rejections.map(\.reason) == ["more pipes than this board takes"])
        #expect(ends(0) == ["too-many-pipes"])
        #expect(row(0, "p8")?.state == .over)
    }

    @Test("members of a group and strangers have no pipes, and what came without a seal is of none")
    func trust() throws {
        if var contact = pair.b.book.contact(People.moki.id.address) {
            contact.trust = .stranger
            pair.b.book.apply(.contact(contact))
        }
        pair.b.policy.strangers = .open
        open(0)
        write(0, 0, "a")
        #expect(pair.b.ledger.state.pipes.isEmpty)
        #expect(pair.b.rejections.map(\.stage) == [.trust])
        pair.a.befriend(People.hulk, isCulver: false, visa: People.stockHulk)
        let content = Content(
            type: .customized, sn: 7, time: Pair.start,
            ["app": "culver", "mod": "pipe", "act": "data", "pipe": "x", "stream": "a-1", "n": 0, "data": "YQ=="])
        pair.lay(try People.hulk.stockMessage(content, to: People.moki), on: 0)
        pair.settle()
        #expect(pair.a.ledger.state.pipes.map(\.key.name) == ["pipe"] && pair.a.inbox.isEmpty)
        #expect(pair.a.rejections.map(\.stage) == [.content])
    }

    @Test(
        "what no writer sends is refused: of a pipe that goes on, nothing could come after it",
        arguments: [
            (["act": "data", "n": 32, "data": "YQ=="], "bad-window"),
            (["act": "data", "n": 1, "data": ""], "bad-piece"),
            (["act": "data", "n": 1, "data": "?"], "bad-piece"), (["act": "data", "n": 1], "bad-piece"),
            (["act": "data", "n": -1, "data": "YQ=="], ""), (["act": "data", "n": 1.5, "data": "YQ=="], ""),
            (["act": "open", "n": 0], ""), (["act": "data", "n": 1, "data": "YQ==", "stream": "A-1"], ""),
            (["act": "data", "n": 1, "data": "YQ==", "stream": "a-01"], ""),
            (["act": "data", "n": 1, "data": "YQ==", "pipe": "a b"], ""),
            (["act": "taken", "n": 1], ""), (["act": "error", "error": "a b"], ""),
            (["act": "data", "n": 9_007_199_254_740_993, "data": "YQ=="], ""),
        ] as [(JSONObject, String)])
    func hostile(members: JSONObject, error: String) {
        open(0)
        open(1)
        write(0, 0, "a")
        var all: JSONObject = ["stream": .string(row(0)?.output.stream ?? "")]
        for (name, value) in members.members { all[name] = value }
        lay(all, from: 0)
        #expect(pair.b.rejections.count == 1)
        #expect(ends(1) == (error.isEmpty ? [] : [error]) && ends(0) == ends(1))
        #expect(texts(1) == (error.isEmpty ? ["a"] : []))
    }

    @Test("pieces after the end, and another end, are refused")
    func afterEnd() {
        open(0)
        open(1)
        write(0, 0, nil)
        let stream = JSON.string(row(0)?.output.stream ?? "")
        lay(["act": "end", "stream": stream, "n": 0], from: 0)
        #expect(ends(1).isEmpty)
        lay(["act": "end", "stream": stream, "n": 1], from: 0)
        #expect(ends(1) == ["bad-piece"])
    }

    @Test("a reader does not say that it has more than was written")
    func wrongWord() {
        open(0)
        write(0, 0, "a")
        write(0, 1, nil)
        let stream = JSON.string(row(0)?.output.stream ?? "")
        for count in [33, 3] as [Int64] { lay(["act": "taken", "stream": stream, "n": .integer(count)], from: 1) }
        #expect(row(0)?.output.taken == 0 && pair.a.rejections.count == 2)
    }

    @Test("books that are a copy end all pipes, and begin new streams under another name")
    func restored() {
        let first = open(0)
        open(1)
        write(0, 0, "a")
        pair.feed(0, .restored)
        pair.settle()
        #expect(ends(0) == ["restored"] && ends(1) == ["restored"])
        let second = open(0)
        #expect(second.split(separator: "-")[0] != first.split(separator: "-")[0])
        write(0, 0, "b")
        #expect(texts(1) == ["b"])
    }

    @Test("with a contact or an identity go its pipes", arguments: [true, false])
    func forgotten(isContact: Bool) {
        open(0)
        pair.feed(0, isContact ? .forgot(ids[1]) : .identityGone(ids[0]))
        #expect(ends(0) == ["gone"])
    }

    @Test("what the outbox does not take is answered so, and written later; an error is said later")
    func full() {
        open(0)
        open(1)
        write(0, 0, "a")
        pair.a.policy.outboxCount = 0
        #expect(write(0, 1, "b") == "outbox-full" && row(0)?.written == 1)
        pair.feed(0, .pipe(.closed(pipe: row(0)?.output.stream ?? "", error: "cancelled")))
        pair.settle()
        #expect(row(0)?.isUntold == true && ends(1).isEmpty)
        pair.a.policy.outboxCount = 100
        pair.advance(6)
        #expect(row(0)?.isUntold == false && ends(1) == ["cancelled"])
    }

    @Test("a piece is as large as one message to the peer may be")
    func size() {
        #expect(pair.a.messenger.pieceSize(to: ids[1], at: pair.now) == 48 << 10)
        pair.a.policy.messageSize = 16 << 10
        let size = pair.a.messenger.pieceSize(to: ids[1], at: pair.now)
        #expect((4_000...4_600).contains(size))
        open(0)
        #expect(write(0, 0, String(repeating: "x", count: size)) == "ok")
        #expect(write(0, 1, String(repeating: "x", count: size * 3 / 2)) == "too-large")
    }
}
