import Agent
import DIMP
import Records
import Testing

@Suite("Turns: save, answer, publish")
struct TurnRunnerTests {
    private let world = ScriptedWorld()

    private func befriend() {
        world.book.apply(.contact(Contact(id: People.hulk.id, trust: .contact, isCulver: true, knowsUs: true)))
        world.book.apply(.meta(People.hulk.meta, of: People.hulk.id))
        world.book.apply(.visa(People.hulk.visa, of: People.hulk.id))
    }

    private func submission(token: UInt64 = 1) -> ScriptedWorld.Runner.Item {
        .input(
            .submitted(
                Submission(
                    token: token, sender: People.moki.id, receiver: People.hulk.id, type: .text,
                    members: ["text": "hello"])))
    }

    private func unknown(_ token: UInt64) -> ScriptedWorld.Runner.Item { .input(.cancelled(id: "none", token: token)) }

    // MARK: - A good turn

    @Test("the calls of one batch share a turn, beyond its limit too, and the next ones wait")
    func batch() {
        let world = ScriptedWorld(limit: 3)
        world.turn(
            .chore("a"), .chore("b"), .request("1", isFollowed: true), .request("2", isFollowed: true),
            .request("3", isFollowed: true), .request("4"), .chore("c"))
        #expect(world.takeLog().first == "run a, b, 1, 2, 3, 4")
        world.turn()
        #expect(world.takeLog().first == "run c")
    }

    @Test("nothing goes out before the commit; then actions, answers, and the other effects in order")
    func order() {
        world.turn(
            .input(.linked(broker: "a", room: 20)), .chore("x"), unknown(1), .input(.linked(broker: "b", room: 20)),
            .request("y"), unknown(2))
        #expect(
            world.takeLog() == [
                "run linked a, x, cancelled 1, linked b, y, cancelled 2", "commit", "action x", "action y",
                "refused 1 unknown-message", "refused 2 unknown-message", "keep a", "publish", "publish",
                "keep b", "publish", "publish",
            ])
        #expect(world.runner.counts.turns == 1)
        #expect(world.runner.backlog == 0)
    }

    @Test("the messenger of a turn counts once the turn is on disk")
    func messenger() {
        befriend()
        world.decide(.input(.linked(broker: "a", room: 20)), submission(), .input(.befriended(People.carol.id)))
        #expect(world.runner.messenger.counts.signatures == 0)
        world.commit()
        #expect(world.runner.messenger.counts.signatures == 1)
    }

    @Test("a turn takes so many items, and what its world had no time for comes first in the next")
    func portions() {
        let world = ScriptedWorld(limit: 3)
        world.patience = 2
        world.turn(.chore("a"), .chore("b"), .chore("c"), .chore("d"))
        #expect(world.takeLog() == ["run a, b, c", "commit", "action a", "action b"])
        world.patience = .max
        world.turn()
        #expect(world.takeLog() == ["run c, d", "commit", "action c", "action d"])
    }

    @Test("what waits is weighed, whether it came last, is postponed or was too much for one turn")
    func weightOfRest() {
        let world = ScriptedWorld(limit: 3)
        world.patience = 1
        func add(_ sizes: Int...) {
            for size in sizes {
                world.runner.add(.input(.arrived([UInt8](repeating: 0, count: size), at: People.moki.id.address)))
            }
        }
        add(1, 2, 4, 8)
        #expect(world.runner.weight == 15)
        world.turn()
        #expect(world.runner.weight == 14)
        add(16)
        #expect(world.runner.weight == 30)
        world.patience = .max
        world.turn()
        #expect(world.runner.weight == 16)
        world.turn()
        #expect(world.runner.weight == 0 && world.runner.backlog == 0)
    }

    @Test("what comes in during a turn waits for the next")
    func meanwhile() {
        world.decide(.chore("a"))
        world.runner.add(.chore("b"))
        world.commit()
        #expect(world.takeLog() == ["run a", "action a"])
        #expect(world.runner.isUrgent)
        world.turn()
        #expect(world.takeLog() == ["run b", "commit", "action b"])
    }

    @Test("only what a broker took can wait for company")
    func patience() {
        world.runner.add(.input(.acknowledged(1, .taken)))
        #expect(!world.runner.isUrgent && world.runner.backlog == 1)
        world.runner.add(.input(.acknowledged(2, .nobody)))
        #expect(world.runner.isUrgent)
    }

    @Test("bytes that came in count while they wait")
    func weight() {
        world.runner.add(.input(.arrived([1, 2, 3], at: People.moki.id.address)))
        world.runner.add(.chore("x"))
        #expect(world.runner.weight == 3)
    }

    // MARK: - A turn that fails

    @Test("one bad item among good ones is given up alone")
    func isolation() {
        world.failing = ["b", "y"]
        world.turn(.chore("a"), .chore("b"), unknown(1), .request("y"), .chore("c"))
        #expect(
            world.takeLog() == [
                "run a, b, cancelled 1, y, c", "undo",
                "run a", "commit", "action a",
                "run b", "undo", "report: cannot write",
                "run cancelled 1", "commit", "refused 1 unknown-message",
                "run y", "undo", "refuse y: cannot write",
                "run c", "commit", "action c",
            ])
        #expect(world.runner.counts.failures == 3)
        #expect(world.runner.counts.givenUp == 1)
        #expect(world.runner.fault == nil)
    }

    @Test("a failed commit undoes the whole turn, and each of its items has another try")
    func failedCommit() {
        befriend()
        world.turn(.input(.linked(broker: "a", room: 20)))
        _ = world.takeLog()
        world.failingCommits = 2
        world.turn(.chore("a"), submission(token: 9), .chore("c"))
        #expect(
            world.takeLog() == [
                "run a, submitted, c", "commit fails", "undo",
                "run a", "commit fails", "undo", "report: cannot write",
                "run submitted", "commit", "effect",
                "run c", "commit", "action c",
            ])
        #expect(world.runner.counts.faults == 1)
        #expect(world.runner.messenger.counts.signatures == 1)
    }

    @Test("a client hears that its message could not be written down, and the fault stays until something is written")
    func fault() {
        world.failing = ["submitted"]
        world.turn(submission(token: 9))
        #expect(world.takeLog() == ["run submitted", "undo", "refused 9 not-written"])
        #expect(world.runner.fault == ScriptedWorld.error)
        #expect(world.ledger.state.outgoing.isEmpty)
        world.turn(submission(token: 10))
        #expect(world.runner.counts.faults == 1)
        world.failing = []
        world.turn(.chore("x"))
        #expect(world.runner.fault == nil)
    }

    @Test("a turn that only reads does not say that the disk works again")
    func reading() {
        world.failing = ["a"]
        world.turn(.chore("a"))
        world.decide(.chore("b"))
        guard case .letOut = world.runner.committed(wrote: false) else { Issue.record("?"); return }
        #expect(world.runner.fault != nil)
    }

    @Test("what follows from an input that was given up may be key work, which does not wait for a disk")
    func workOfGivenUp() throws {
        befriend()
        world.turn(.input(.linked(broker: "a", room: 20)))
        let content = Content(type: .text, sn: 1, time: Pair.start, ["text": "hello"])
        let message = ScriptedWorld.Runner.Item.input(
            .arrived(
                try People.hulk.sealedMessage(content, to: People.moki).json.bytes, at: People.moki.id.address))
        world.turn(message)
        var finished = 0
        while finished < world.jobs.count {
            world.finish(world.jobs[finished])
            finished += 1
            world.turn()
        }
        world.now.lived += 60
        world.failing = ["input"]
        world.turn(message)
        #expect(world.jobs.count == finished)
        #expect(world.lateJobs.count == 1)
    }

    // MARK: - What is not given up

    @Test("what brokers said is held in order until the disk works, and comes first then")
    func held() {
        world.failing = ["linked a", "x"]
        world.turn(.input(.linked(broker: "a", room: 20)), .input(.unlinked(broker: "a")), .chore("x"))
        #expect(
            world.takeLog() == [
                "run linked a, unlinked a, x", "undo", "run linked a", "undo", "later 1", "run x", "undo",
                "report: cannot write",
            ])
        // Later words wait behind it, other items do not.
        world.turn(.input(.linked(broker: "b", room: 20)), .chore("y"))
        #expect(world.takeLog() == ["run y", "commit", "action y"])
        #expect(world.runner.isHolding)
        #expect(world.retries.map(\.seconds) == [1])

        world.failing = []
        world.runner.add(.chore("z"))
        world.retry()
        #expect(!world.runner.isHolding)
        world.turn()
        #expect(
            world.takeLog() == [
                "run linked a, unlinked a, linked b, z", "commit", "action z", "keep a", "publish", "publish",
                "keep b", "publish", "publish",
            ])
        #expect(world.runner.counts.givenUp == 0)
    }

    @Test("a turn of words that are held back is none")
    func onlyHeld() {
        world.failing = ["linked a"]
        world.turn(.input(.linked(broker: "a", room: 20)))
        _ = world.takeLog()
        world.turn(.input(.unlinked(broker: "a")))
        #expect(world.takeLog() == [])
        #expect(world.runner.counts.turns == 1)
    }

    @Test("a duty is tried again until it works")
    func duty() {
        world.failing = ["d"]
        world.turn(.duty("d"))
        #expect(world.takeLog() == ["run d", "undo", "later 5"])
        world.retry()
        world.turn()
        #expect(world.takeLog() == ["run d", "undo", "later 5"])
        world.failing = []
        world.retry()
        world.turn()
        #expect(world.takeLog() == ["run d", "commit", "action d"])
        #expect(world.retries.isEmpty)
    }

    // MARK: - Key work

    @Test("a result that comes while the disk syncs waits for the turn, and counts in the next")
    func early() {
        befriend()
        world.turn(.input(.linked(broker: "a", room: 20)))
        world.onCommit = { [world] in
            #expect(world.jobs.count == 1)
            #expect(!world.finish(world.jobs[0]))
            #expect(world.runner.backlog == 0)
        }
        world.turn(submission())
        #expect(world.runner.backlog == 1)
        world.onCommit = {}
        _ = world.takeLog()
        world.turn()
        #expect(world.takeLog() == ["run sealed", "commit", "accepted 1", "publish", "changed"])
    }

    @Test("a result that comes after the turn counts at once")
    func late() {
        befriend()
        world.turn(.input(.linked(broker: "a", room: 20)))
        world.turn(submission())
        #expect(world.finish(world.jobs[0]))
        #expect(world.runner.backlog == 1)
    }

    @Test("results of a failed turn are dropped, whenever they come, and those of its second try count")
    func dropped() {
        befriend()
        world.turn(.input(.linked(broker: "a", room: 20)))
        world.failingCommits = 1
        var isFirst = true
        world.onCommit = { [world] in
            guard isFirst else { return }
            isFirst = false
            world.finish(world.jobs[0])
        }
        // Messages to two peers are sealed at the same time.
        world.book.apply(.contact(Contact(id: People.carol.id, trust: .contact, isCulver: true, knowsUs: true)))
        world.book.apply(.meta(People.carol.meta, of: People.carol.id))
        world.book.apply(.visa(People.carol.visa, of: People.carol.id))
        let toCarol = Submission(
            token: 2, sender: People.moki.id, receiver: People.carol.id, type: .text, members: ["text": "hello"])
        world.turn(submission(), .input(.submitted(toCarol)))
        #expect(world.jobs.map(\.turn) == [2, 2, 3, 4])
        #expect(!world.finish(world.jobs[1]))
        #expect(world.runner.backlog == 0)
        #expect(world.finish(world.jobs[2]))
        #expect(world.finish(world.jobs[3]))
        _ = world.takeLog()
        world.turn()
        #expect(
            world.takeLog() == [
                "run sealed, sealed", "commit", "accepted 1", "accepted 2", "publish", "changed", "publish", "changed",
            ])
    }
}
