import Agent
import DIMP
import Format
import Foundation
import Records
import Store
import Testing

@testable import culverd

private struct Trouble: Error {}

@MainActor @Suite struct LoopTests {
    let rig: Rig

    init() throws {
        rig = try Rig()
    }

    private func submission(_ from: Identity, to: ID, token: UInt64 = 1) -> Input {
        .submitted(
            Submission(token: token, sender: from.id, receiver: to, type: .text, members: ["text": "hello"]))
    }

    @Test("an errand that fails is undone and does not spoil the others of its turn")
    func isolation() async throws {
        var heard: [String] = []
        for (key, fails) in [("a", false), ("b", true), ("c", false)] {
            rig.loop.add(
                .chore { turn in
                    try turn.ledger.apply(.value(.tried(key), "written"))
                    turn.after { heard.append(key) }
                    if fails { throw Trouble() }
                })
        }
        await rig.settle()
        #expect(heard == ["a", "c"])
        let disk = try rig.onDisk()
        #expect(try ["a", "b", "c"].map { try disk.value(.tried($0)) } == ["written", nil, "written"])
    }

    @Test("a turn whose files cannot be written lets nothing out and leaves nothing in the address book")
    func failingFiles() async throws {
        try rig.breakDirectory("contacts")
        let peer = try madeIdentity("hulk")
        var isHeard = false
        var faults: [String?] = []
        rig.loop.onDisk = { faults.append($0) }
        rig.loop.add(
            .chore { turn in
                rig.loop.book.apply(.contact(Contact(id: peer.id, trust: .contact)))
                try turn.ledger.apply(.value(.tried("x"), "written"))
                turn.after { isHeard = true }
            })
        await rig.settle()
        #expect(!isHeard)
        #expect(faults.count == 1)
        #expect(rig.loop.book.contact(peer.id.address) == nil)
        #expect(try rig.onDisk().value(.tried("x")) == nil)

        try rig.mend("contacts")
        rig.loop.add(.chore { turn in try turn.ledger.apply(.value(.tried("x"), "written")) })
        await rig.settle()
        #expect(try rig.onDisk().value(.tried("x")) == "written")
        #expect(faults.count == 2)
        #expect(faults.last == .some(nil))
    }

    @Test("a send that cannot be written down is refused, and a later one is accepted")
    func refusedSend() async throws {
        let own = try madeIdentity("moki")
        let peer = try madeIdentity("hulk")
        rig.loop.book.facebook.put(own)
        rig.loop.wake()
        await rig.settle()
        try rig.breakDirectory("contacts")
        rig.loop.take(submission(own, to: peer.id))
        await rig.settle()
        #expect(answers == ["refused not-written"])

        try rig.mend("contacts")
        rig.loop.take(submission(own, to: peer.id, token: 2))
        await rig.settle()
        #expect(answers == ["refused not-written", "accepted waiting"])
    }

    @Test("key work that began while the disk failed counts for nothing")
    func failedWork() async throws {
        let own = try madeIdentity("moki")
        let peer = try madeIdentity("hulk")
        rig.loop.book.facebook.put(own)
        rig.loop.book.apply(.contact(Contact(id: peer.id, trust: .contact, isCulver: true)))
        rig.loop.book.apply(.meta(peer.meta, of: peer.id))
        rig.loop.book.apply(.visa(peer.visa, of: peer.id))
        rig.loop.take(.linked(broker: "default", room: 20))
        await rig.settle()
        var begun = 0
        rig.loop.work = { job, finish in
            begun += 1
            finish(job.done())
        }
        // A first message to a culver peer makes a key, which is a file.
        try rig.breakDirectory("keys")
        rig.loop.take(submission(own, to: peer.id))
        await rig.settle()
        #expect(begun == 1)
        #expect(answers == ["refused not-written"])
        #expect(try rig.onDisk().outboxSize().count == 0)

        try rig.mend("keys")
        rig.loop.take(submission(own, to: peer.id, token: 2))
        while answers.count < 2 { await rig.settle() }
        #expect(begun == 2)
        #expect(answers == ["refused not-written", "accepted queued"])
    }

    private var answers: [String] {
        rig.effects.compactMap { effect in
            guard case .answer(_, let answer) = effect else { return nil }
            switch answer {
            case .accepted(_, _, let state, _): return "accepted \(state)"
            case .refused(let refusal): return "refused \(refusal.reason)"
            }
        }
    }

    @Test("a disk that takes nothing does not keep back a receipt that is owed")
    func owedReceipt() async throws {
        let own = try madeIdentity("moki")
        let peer = try madeIdentity("hulk")
        rig.loop.book.facebook.put(own)
        rig.loop.book.apply(.contact(Contact(id: peer.id, trust: .contact, isCulver: true, knowsUs: true)))
        rig.loop.book.apply(.meta(peer.meta, of: peer.id))
        rig.loop.book.apply(.visa(peer.visa, of: peer.id))
        rig.loop.take(.linked(broker: "default", room: 20))
        await rig.settle()
        let key = try #require(own.visa.key?.encryption)
        let content = Content(type: .text, sn: 1, time: rig.loop.clock.now.wall, ["text": "hello"])
        let packing = Packing(identity: peer, receiver: own.id, recipients: [(own.id, key)])
        let message = Input.arrived(
            try packing.seal(content).message.json.bytes, at: own.id.address)
        rig.loop.take(message)
        for _ in 0..<8 { await rig.settle() }
        #expect(published(to: peer) == 1)

        rig.loop.add(
            .chore { turn in
                var seen = try #require(try turn.ledger.owedReceipts(limit: 1).first)
                seen.answered = -100
                try turn.ledger.apply(.accepted(seen))
            })
        await rig.settle()
        // Another writer keeps the database to itself.
        let writer = try rig.onDisk()
        try writer.apply(.value(.tidied, "1"))
        rig.loop.take(message)
        for _ in 0..<4 { await rig.settle() }
        #expect(rig.loop.isDiskFaulty)
        #expect(published(to: peer) == 2)
        writer.rollback()
    }

    private func published(to peer: Identity) -> Int {
        rig.effects.count { effect in
            if case .publish(let parcel) = effect { parcel.topic == .inbox(peer.id.address) } else { false }
        }
    }

    @Test("what is answered is on disk, and what is published was answered")
    func order() async throws {
        let own = try madeIdentity("moki")
        let peer = try madeIdentity("hulk")
        rig.loop.book.facebook.put(own)
        rig.loop.book.apply(.meta(peer.meta, of: peer.id))
        rig.loop.book.apply(.visa(peer.visa, of: peer.id))
        rig.loop.take(.linked(broker: "default", room: 20))
        await rig.settle()
        var steps: [String] = []
        rig.onEffect = { [rig] effect in
            switch effect {
            case .answer(_, .accepted(let id, _, _, _)):
                let stored = try? rig.onDisk().outgoing(id: id)
                steps.append(stored?.state == .queued ? "answer to what is on disk" : "answer too early")
            case .publish(let parcel):
                if case .inbox = parcel.topic { steps.append("publish") }
            default: break
            }
        }
        rig.loop.take(submission(own, to: peer.id))
        while steps.count < 2 { await rig.settle() }
        #expect(steps == ["answer to what is on disk", "publish"])
    }

    @Test("turns that only read write nothing")
    func reading() async throws {
        rig.loop.add(.chore { turn in try turn.ledger.apply(.value(.tried("x"), "1")) })
        await rig.settle()
        let wall = try rig.onDisk().value(.lived)
        var read: String?
        rig.loop.add(.chore { turn in read = try turn.ledger.value(.tried("x")) })
        await rig.settle()
        #expect(read == "1")
        #expect(try rig.onDisk().value(.lived) == wall)
    }
}
