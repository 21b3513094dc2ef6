import DIMP
import Format
import Records
import Testing

@testable import Agent

@Suite("What the pool seals, and what gathers behind it") struct SealingQueueTests {
    private func draft(
        _ id: String, ref: String? = nil, order: Int64 = 0, request: [UInt8] = [1], priority: Priority = .normal,
        content: Content? = nil
    ) -> Draft {
        var row = DeliveryStateTests.row(.waiting, due: 0)
        (row.id, row.ref, row.order, row.request, row.priority) = (id, ref, order, request, priority)
        let content = content ?? .text(id, sn: 1, time: 0)
        row.body = .content(JSON.object(content.json).text)
        return Draft(row: row, content: content, tokens: [])
    }

    private var route: SealingQueue.SealingRoute { SealingQueue.SealingRoute(draft("a").row) }
    private func limits(_ count: Int, bytes: Int64 = 1 << 20) -> BatchLimits { BatchLimits(count: count, bytes: bytes) }

    @Test("messages and their bytes are counted, and leave once")
    func bytes() {
        var queue = SealingQueue()
        let size = Int64(draft("a").row.content?.utf8.count ?? 0)
        queue.insert(draft("a"))
        queue.insert(draft("b", order: 1))
        #expect(queue.bytes == 2 * size && queue.count == 2)
        let hadWaited = [
            queue.remove(draft("a")), queue.remove(draft("b", order: 1)), queue.remove(draft("b", order: 1)),
        ]
        #expect(hadWaited == [false, true, false])
        #expect(queue.bytes == 0 && queue.isEmpty)
    }

    @Test("those that had waited for a key are a bounded number")
    func released() {
        var queue = SealingQueue()
        for number in 0..<Tuning.releasedAtOnce { queue.insert(draft("\(number)", order: 1)) }
        #expect(queue.roomForReleased == 0)
        let hadWaited = queue.remove(draft("3", order: 1))
        #expect(hadWaited)
        #expect(queue.roomForReleased == 1)
    }

    @Test("who asks again with the same ref joins, and another message under it does not")
    func refs() {
        var queue = SealingQueue()
        queue.insert(draft("a", ref: "r"))
        let words = [
            queue.join(draft("b", ref: "r").row, token: 7),
            queue.join(draft("b", ref: "r", request: [2]).row, token: 8),
            queue.join(draft("b", ref: "s").row, token: 9), queue.join(draft("b").row, token: 9),
        ]
        #expect(words == [.joined, .otherMessage, nil, nil])
        let joined = queue.takeJoined(draft("a", ref: "r").row)
        let late = queue.join(draft("b", ref: "r").row, token: 7)
        #expect(joined == [7] && late == nil)
    }

    @Test("the first goes alone and at once, the others gather until it is done, and go together in order")
    func gathers() {
        var queue = SealingQueue()
        queue.insert(draft("0"))
        let first = queue.next(route, within: limits(3))
        #expect(first.map(\.row.id) == ["0"])
        for number in 1...2 { queue.insert(draft("\(number)")) }
        #expect(queue.receiverOfNext(route) == nil)
        queue.leave(route)
        #expect(queue.receiverOfNext(route) != nil)
        for number in 3...4 { queue.insert(draft("\(number)")) }
        let second = queue.next(route, within: limits(3))
        #expect(second.map(\.row.id) == ["1", "2", "3"])
        queue.leave(route)
        let third = queue.next(route, within: limits(3))
        #expect(third.map(\.row.id) == ["4"])
        queue.leave(route)
        #expect(queue.receiverOfNext(route) == nil)
    }

    @Test("what fills a message is sealed behind one that the pool has, and no third is")
    func ahead() {
        var queue = SealingQueue()
        queue.insert(draft("0"))
        _ = queue.next(route, within: limits(3))
        for number in 1...3 {
            #expect(queue.receiverOfNext(route) == nil)
            queue.insert(draft("\(number)"))
        }
        #expect(queue.receiverOfNext(route) != nil)
        let second = queue.next(route, within: limits(3))
        #expect(second.map(\.row.id) == ["1", "2", "3"])
        for number in 4...6 { queue.insert(draft("\(number)")) }
        #expect(queue.receiverOfNext(route) == nil)
        queue.leave(route)
        #expect(queue.receiverOfNext(route) != nil)
        let third = queue.next(route, within: limits(3))
        #expect(third.map(\.row.id) == ["4", "5", "6"])
    }

    @Test("nothing is sealed behind a message of which something may have to be left out")
    func uncertain() {
        var queue = SealingQueue()
        queue.insert(draft("0", order: 1))
        _ = queue.next(route, within: limits(3))
        for number in 1...3 { queue.insert(draft("\(number)")) }
        #expect(queue.receiverOfNext(route) == nil)
        queue.leave(route)
        #expect(queue.receiverOfNext(route) != nil)
    }

    @Test("a text is sealed with its number for a culver agent, and without all of that for others")
    func text() {
        let signed = draft("a", content: Content(type: .text, sn: 1, time: 0, ["seq": ["receipt": "signed"]]))
        let waited = draft("b", order: 7)
        let numbered = signed.numbered(3).content(in: "s")?.json["seq"]
        #expect(numbered == ["s": "s", "n": 3, "receipt": "signed"])
        #expect(waited.numbered(4).content(in: "s")?.json["seq"] == ["s": "s", "n": 4, "waited": true])
        #expect(signed.numbered(3).content(in: nil)?.json["seq"] == nil)
        #expect(signed.content(in: nil)?.json["text"] == nil && waited.content(in: nil)?.json["text"] == "b")
    }

    @Test("what is more urgent gathers behind its like alone")
    func priorities() {
        var queue = SealingQueue()
        queue.insert(draft("0"))
        _ = queue.next(route, within: limits(3))
        let urgent = draft("1", priority: .urgent)
        queue.insert(draft("2"))
        queue.insert(urgent)
        let next = queue.next(SealingQueue.SealingRoute(urgent.row), within: limits(3))
        #expect(next.map(\.row.id) == ["1"] && queue.receiverOfNext(route) == nil)
    }

    @Test("to a peer that takes one in a message each goes at once, and what batches later waits for all of them")
    func singly() {
        var queue = SealingQueue()
        for number in 0..<3 {
            queue.insert(draft("\(number)"))
            let next = queue.next(route, within: limits(1))
            #expect(next.map(\.row.id) == ["\(number)"])
        }
        queue.insert(draft("3"))
        let batch = queue.next(route, within: limits(64))
        #expect(batch.map(\.row.id) == ["3"])
        queue.insert(draft("4"))
        for _ in 0..<3 {
            queue.leave(route)
            #expect(queue.receiverOfNext(route) == nil)
        }
        queue.leave(route)
        #expect(queue.receiverOfNext(route) != nil)
    }

    @Test("no more share a message than the wire takes, and one goes however large it is")
    func large() {
        let long = Content.text(String(repeating: "x", count: 30_000), sn: 1, time: 0)
        let drafts = (0..<9).map { draft("\($0)", content: long) }
        // Each is about 40 kB in Base64, and 8 kB are for keys and cards.
        #expect(limits(64, bytes: 256 << 10).fitting(drafts) == 6)
        #expect(limits(64, bytes: 100 << 10).fitting(drafts) == 2)
        #expect(limits(64, bytes: 10).fitting(drafts) == 1)
        #expect(limits(64, bytes: 10).fitting([]) == 0)
    }

    @Test("no more share a message than a reader of JSON takes, in number and in depth")
    func form() {
        let wide = Content(type: .text, sn: 1, time: 0, ["list": .array([JSON](repeating: 1, count: 6_000))])
        #expect(limits(64).fitting((0..<5).map { draft("\($0)", content: wide) }) == 2)
        func deep(_ depth: Int) -> Draft {
            draft(
                "d", content: Content(type: .text, sn: 1, time: 0, ["x": (1..<depth).reduce(1) { inner, _ in [inner] }])
            )
        }
        #expect(limits(64).fitting([draft("a"), deep(30)]) == 2)
        #expect(limits(64).fitting([draft("a"), deep(31), draft("b")]) == 1)
        #expect(limits(64).fitting([deep(31), draft("b")]) == 1)
    }

    @Test("what travels alone shares no message, and those around it keep their order")
    func alone() {
        let command = Content.command("mute", sn: 1, time: 0, [:])
        let grouped = Content(type: .text, sn: 1, time: 0, ["text": "x", "group": "g@G"])
        for content in [command, grouped] {
            let drafts = [draft("a"), draft("b"), draft("c", content: content), draft("d")]
            #expect(limits(64).fitting(drafts) == 2)
            #expect(limits(64).fitting(Array(drafts.dropFirst(2))) == 1)
        }
    }
}
