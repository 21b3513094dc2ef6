import Records
import TestSupport
import Testing

@testable import Store

@Suite struct SeenTests {
    let scratch: Scratch

    init() throws {
        scratch = try Scratch()
    }

    @Test("a digest is seen for its owner and its sender alone")
    func own() throws {
        let store = try scratch.open()
        try store.apply(.accepted(accepted([1], contentDigest: [2])))
        #expect(
            try store.accepted(owner: .sample("B"), sender: .sample("A"), digest: [1])
                == accepted([1], contentDigest: [2]))
        #expect(
            try store.accepted(owner: .sample("B"), sender: .sample("A"), contentDigest: [2])
                == accepted([1], contentDigest: [2]))
        #expect(try store.accepted(owner: .sample("X"), sender: .sample("A"), digest: [1]) == nil)
        #expect(try store.accepted(owner: .sample("B"), sender: .sample("X"), digest: [1]) == nil)
        #expect(try store.accepted(owner: .sample("B"), sender: .sample("A"), digest: [2]) == nil)
        #expect(try store.accepted(owner: .sample("B"), sender: .sample("A"), contentDigest: [1]) == nil)
    }

    @Test("owed receipts come oldest first, until they are no longer owed")
    func owed() throws {
        let store = try scratch.open()
        try store.apply([.accepted(accepted([1])), .accepted(accepted([2], isOwed: false)), .accepted(accepted([3]))])
        #expect(try store.owedReceipts(limit: 9).map(\.digest) == [[1], [3]])
        #expect(try store.owedReceipts(limit: 1).map(\.digest) == [[1]])
        try store.apply(.accepted(accepted([1], isOwed: false)))
        #expect(try store.owedReceipts(limit: 9).map(\.digest) == [[3]])
        #expect(try store.accepted(owner: .sample("B"), sender: .sample("A"), digest: [1])?.isOwed == false)
    }

    @Test("a contact that goes takes its timeless digests along, and leaves those that guard against replays")
    func forgotten() throws {
        let store = try scratch.open()
        try store.apply([
            .accepted(accepted([1], time: nil)), .accepted(accepted([2], time: 1_000)),
            .accepted(accepted([1], owner: "B", sender: "X", time: nil)),
            .accepted(accepted([1], owner: "X", time: nil)), .forgetAccepted(owner: .sample("B"), sender: .sample("A")),
        ])
        #expect(try store.accepted(owner: .sample("B"), sender: .sample("A"), digest: [1]) == nil)
        #expect(try store.accepted(owner: .sample("B"), sender: .sample("A"), digest: [2]) != nil)
        #expect(try store.accepted(owner: .sample("B"), sender: .sample("X"), digest: [1]) != nil)
        #expect(try store.accepted(owner: .sample("X"), sender: .sample("A"), digest: [1]) != nil)
    }

    @Test("digests live 32 days by the content's time; timeless ones, and all without a clock, stay")
    func pruned() throws {
        let store = try scratch.open()
        let day = 86_400.0
        try store.apply([
            .accepted(accepted([1], time: 1_000)), .accepted(accepted([2], time: 1_000 + day)),
            .accepted(accepted([3], time: nil)),
        ])
        _ = try store.prune(wall: 0, lived: 1e9)
        #expect(try store.accepted(owner: .sample("B"), sender: .sample("A"), digest: [1]) != nil)
        #expect(try store.value(.forgottenUntil) == nil)
        _ = try store.prune(wall: 1_001 + 32 * day, lived: 0)
        #expect(try store.accepted(owner: .sample("B"), sender: .sample("A"), digest: [1]) == nil)
        #expect(try store.value(.forgottenUntil).flatMap(Double.init) == 1_000)
        // A clock that went back drops nothing, and forgets nothing of that.
        _ = try store.prune(wall: 1_000 + 31 * day, lived: 0)
        #expect(try store.value(.forgottenUntil).flatMap(Double.init) == 1_000)
        #expect(try store.accepted(owner: .sample("B"), sender: .sample("A"), digest: [2]) != nil)
        #expect(try store.accepted(owner: .sample("B"), sender: .sample("A"), digest: [3]) != nil)
    }

    @Test("timeless digests of one sender are bounded, the oldest go")
    func bounded() throws {
        let store = try scratch.open(.with { $0.timelessDigests = 3 })
        try store.apply((1...5).map { .accepted(accepted([$0], time: nil)) })
        try store.apply([.accepted(accepted([1], sender: "X", time: nil)), .accepted(accepted([9]))])
        #expect(
            try (1...5).map { try store.accepted(owner: .sample("B"), sender: .sample("A"), digest: [$0]) != nil } == [
                false, false, true, true, true,
            ])
        #expect(try store.accepted(owner: .sample("B"), sender: .sample("X"), digest: [1]) != nil)
        #expect(try store.accepted(owner: .sample("B"), sender: .sample("A"), digest: [9]) != nil)
    }
}
