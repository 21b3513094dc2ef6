import DIMP
import Format
import TestSupport
import Testing

@Suite("Who belongs to a group")
struct MembershipTests {
    private static let group = id("hiking", network: 1)
    private static let owner = id("owner")
    private static let people = ["anna", "ben", "carl", "dora", "emil"].map { id($0) }
    private static let start = 1_760_000_000.0

    private static func id(_ name: String, network: UInt8 = 0) -> ID {
        ID(name: name, address: .btc(network: network, of: Array(name.utf8)))
    }

    private static func record(
        _ act: String, by signer: ID, _ members: [ID] = [], at time: Double, sn: Int64 = 1,
        administrators: [ID]? = nil
    ) throws -> GroupRecord {
        var said: JSONObject = ["command": .string(act), "members": .array(members.map { .string($0.text) })]
        if let administrators { said["administrators"] = .array(administrators.map { .string($0.text) }) }
        let content = Content(type: .history, sn: sn, time: start + time, group: group, said)
        return try #require(GroupRecord(content, signedBy: signer))
    }

    private func known(_ records: [GroupRecord]) -> KnownGroup {
        var group = KnownGroup(Self.group, foundedBy: Self.owner)
        for record in records { _ = group.take(record) }
        return group
    }

    @Test("the same commands in any order make the same group", arguments: UInt64(0)..<300)
    func order(seed: UInt64) throws {
        let dice = Dice(seed: seed)
        let everybody = [Self.owner] + Self.people
        let acts = ["invite", "invite", "expel", "join", "quit", "reset", "hire", "hire", "fire", "resign"]
        var records: [GroupRecord] = []
        for _ in 0..<14 {
            let act = acts[dice.below(acts.count)]
            // The owner more often than others, for else little happens.
            let signer = dice.once(in: 2) ? Self.owner : everybody[dice.below(everybody.count)]
            let members = everybody.filter { _ in dice.once(in: 3) }
            records.append(
                try Self.record(
                    act, by: signer, members, at: Double(dice.below(8)), sn: Int64(1 + dice.below(3)),
                    administrators: act == "reset" && dice.once(in: 2) ? Array(members.prefix(1)) : nil))
        }
        let first = known(records)
        let all = Membership(foundedBy: Self.owner, by: records)
        #expect(first.membership == all)
        for _ in 0..<8 {
            for index in records.indices.dropFirst() { records.swapAt(index, dice.below(index + 1)) }
            let other = known(records)
            #expect(other.membership == first.membership)
            #expect(other.roll == first.roll)
        }
    }

    /// Whoever gives a command, to a group of the owner, an administrator (anna) and a member (ben): what becomes of carl,
    /// or of themselves.
    @Test(
        "who may do what",
        arguments: [
            ("reset", "yyn-"), ("invite", "yyrn"), ("expel", "yyn-"), ("hire", "ynnn"), ("fire", "yyn-"),
            ("resign", "ny--"), ("quit", "nyy-"), ("join", "---r"),
        ])
    func authority(act: String, answers: String) throws {
        let (anna, ben, carl, dora) = (Self.people[0], Self.people[1], Self.people[2], Self.people[3])
        let before = [
            try Self.record("invite", by: Self.owner, [anna, ben, carl], at: 0),
            try Self.record("hire", by: Self.owner, act == "fire" ? [anna, carl] : [anna], at: 1),
        ]
        for (signer, answer) in zip([Self.owner, anna, ben, dora], answers) {
            var group = known(before)
            let whom = act == "invite" ? [Self.people[4]] : act == "reset" ? [anna, ben] : [carl]
            let old = group.membership
            let outcome = group.take(try Self.record(act, by: signer, whom, at: 2))
            let isRequested = !group.membership.requests.isEmpty
            let isOther =
                group.membership.members != old.members || group.membership.administrators != old.administrators
            switch answer {
            case "y": #expect(outcome == .changed && isOther, "\(act) by \(signer)")
            case "r": #expect(outcome == .changed && isRequested && !isOther, "\(act) by \(signer)")
            default:
                #expect(!isOther && !isRequested, "\(act) by \(signer)")
                if answer == "n", case .kept(nil) = outcome { Issue.record("\(act) by \(signer) is not explained") }
            }
        }
    }

    @Test("the owner is neither expelled, nor left out by a reset, nor fired, and cannot quit")
    func owner() throws {
        let anna = Self.people[0]
        let group = known([
            try Self.record("invite", by: Self.owner, [anna], at: 0),
            try Self.record("hire", by: Self.owner, [anna], at: 1),
            try Self.record("expel", by: anna, [Self.owner], at: 2),
            try Self.record("fire", by: anna, [Self.owner], at: 3),
            try Self.record("reset", by: anna, [anna], at: 4), try Self.record("quit", by: Self.owner, at: 5),
            try Self.record("resign", by: Self.owner, at: 6),
        ])
        #expect(group.membership.members == [Self.owner, anna])
        #expect(group.membership.office(of: Self.owner) == .owner)
        #expect(group.membership.office(of: anna) == .administrator)
    }

    @Test("who missed that somebody left and came back has the same roll, with another order")
    func sameRoll() throws {
        let (anna, ben) = (Self.people[0], Self.people[1])
        let first = try Self.record("invite", by: Self.owner, [anna, ben], at: 0)
        let expelled = try Self.record("expel", by: Self.owner, [anna], at: 1)
        let again = try Self.record("invite", by: Self.owner, [anna], at: 2)
        let (owner, other) = (known([first, expelled, again]), known([first, again]))
        #expect(owner.membership.members == [Self.owner, ben, anna])
        #expect(other.membership.members == [Self.owner, anna, ben])
        #expect(owner.roll == other.roll && owner.edition != other.edition)
        #expect(owner.roll != known([first, expelled]).roll)
    }

    @Test("what gives authority may come after what needs it")
    func late() throws {
        let (anna, ben) = (Self.people[0], Self.people[1])
        var group = known([])
        let invited = group.take(try Self.record("invite", by: anna, [ben], at: 2))
        guard case .kept(.some) = invited else {
            Issue.record("\(invited)")
            return
        }
        #expect(group.membership.members == [Self.owner])
        _ = group.take(try Self.record("hire", by: Self.owner, [anna], at: 1))
        #expect(group.take(try Self.record("invite", by: Self.owner, [anna], at: 0)) == .changed)
        #expect(group.membership.members == [Self.owner, anna, ben])
    }

    @Test("a request is accepted by an invitation and refused by an expulsion")
    func requests() throws {
        let (anna, ben, carl) = (Self.people[0], Self.people[1], Self.people[2])
        var group = known([
            try Self.record("invite", by: Self.owner, [anna], at: 0), try Self.record("join", by: ben, at: 1),
            try Self.record("invite", by: anna, [carl], at: 2),
        ])
        #expect(group.membership.requests.map(\.member) == [ben, carl])
        #expect(group.membership.requests.map(\.by) == [ben, anna])
        _ = group.take(try Self.record("invite", by: Self.owner, [carl], at: 3))
        _ = group.take(try Self.record("expel", by: Self.owner, [ben], at: 4))
        #expect(group.membership.requests.isEmpty)
        #expect(group.membership.members == [Self.owner, anna, carl])
    }

    @Test("after the owner's reset, what was before it is dropped and refused when it comes again")
    func replay() throws {
        let (anna, ben) = (Self.people[0], Self.people[1])
        let invite = try Self.record("invite", by: Self.owner, [ben], at: 1)
        var group = known([invite, try Self.record("reset", by: Self.owner, [anna], at: 2, administrators: [anna])])
        #expect(group.records.count == 1)
        #expect(group.membership.members == [Self.owner, anna] && group.membership.administrators == [anna])
        guard case .refused = group.take(invite) else {
            Issue.record("an old command was taken")
            return
        }
        #expect(group.membership.members == [Self.owner, anna])
    }

    @Test("commands without authority are kept in small numbers, and a full history takes no more")
    func bounds() throws {
        var group = known([])
        for number in 0..<100 {
            _ = group.take(try Self.record("expel", by: Self.people[0], [Self.owner], at: Double(number)))
        }
        #expect(group.records.count == KnownGroup.idleOfOne)
        for number in 0..<600 {
            let who = Self.id("member \(number)")
            _ = group.take(try Self.record("invite", by: Self.owner, [who], at: 200 + Double(number)))
        }
        #expect(group.records.count <= KnownGroup.recordLimit)
        let more = try Self.record("invite", by: Self.owner, [Self.people[4]], at: 2000)
        guard case .refused = group.take(more) else {
            Issue.record("the history has no end")
            return
        }
        let members = group.membership.members
        let reset = try Self.record("reset", by: Self.owner, members, at: 2001, administrators: [])
        #expect(group.take(reset) == .kept(nil))
        #expect(group.membership.members == members && group.records.count == 1)
    }

    /// What somebody who is not in charge may say any number of times, and what it changes once at most.
    @Test(
        "who is not in charge fills no history by saying what changes nothing",
        arguments: [("join", false), ("quit", false), ("resign", false), ("resign", true), ("invite", true)])
    func idle(act: String, isMember: Bool) throws {
        let (anna, ben) = (Self.people[0], Self.people[1])
        var group = known(isMember ? [try Self.record("invite", by: Self.owner, [anna], at: 0)] : [])
        let before = group.records.count
        var refused = 0
        for number in 1...200 {
            let outcome = group.take(try Self.record(act, by: anna, act == "invite" ? [ben] : [], at: Double(number)))
            if case .refused = outcome { refused += 1 }
        }
        // A request is one that changes something.
        let requests = group.membership.requests.count
        #expect(group.records.count == before + requests + KnownGroup.idleOfOne)
        #expect(refused == 200 - requests - KnownGroup.idleOfOne)
    }

    @Test("strangers that ask to be let in, and members that propose, leave room for those in charge")
    func room() throws {
        let anna = Self.people[0]
        var group = known([try Self.record("invite", by: Self.owner, [anna], at: 0)])
        for number in 0..<400 {
            _ = group.take(try Self.record("join", by: Self.id("stranger \(number)"), at: 1, sn: Int64(number + 1)))
            let proposed = try Self.record(
                "invite", by: anna, (0..<40).map { Self.id("friend \(number) \($0)") }, at: 2, sn: Int64(number + 1))
            _ = group.take(proposed)
        }
        #expect(group.records.count <= KnownGroup.othersLimit + 1)
        #expect(group.isLong)
        let said = group.records.reduce(0) { $0 + $1.members.count * 48 }
        #expect(said <= KnownGroup.othersByteLimit)
        for number in 0..<200 {
            let who = Self.id("member \(number)")
            #expect(group.take(try Self.record("invite", by: Self.owner, [who], at: 10 + Double(number))) == .changed)
        }
        let reset = try Self.record("reset", by: Self.owner, [anna], at: 900, administrators: [])
        #expect(group.take(reset) == .changed)
        #expect(!group.isLong && group.records.count == 1)
        let verdict = group.take(try Self.record("join", by: Self.id("stranger 1"), at: 901))
        #expect(verdict == .changed)
    }

    @Test("a thousand members in the owner's word leave room for what is said after it")
    func afterMany() throws {
        let many = (0..<999).map { Self.id("a member with a rather long name \($0)") }
        var group = known([try Self.record("reset", by: Self.owner, many, at: 0, administrators: [])])
        for number in 0..<200 {
            let quit = try Self.record("expel", by: Self.owner, [many[number]], at: 1 + Double(number))
            #expect(group.take(quit) == .changed)
        }
        #expect(group.membership.members.count == 800)
    }

    @Test("who was expelled since the last reset, and what has no proof, is to be said once more")
    func unsettled() throws {
        let (anna, ben, carl) = (Self.people[0], Self.people[1], Self.people[2])
        func proven(_ act: String, by signer: ID, _ members: [ID] = [], at time: Double) throws -> GroupRecord {
            let content = Content(
                type: .history, sn: 1, time: Self.start + time, group: Self.group,
                ["command": .string(act), "members": .array(members.map { .string($0.text) })])
            return try #require(GroupRecord(content, signedBy: signer, message: ["data": "…"]))
        }
        var group = known([
            try proven("invite", by: Self.owner, [anna, ben, carl], at: 0),
            try proven("join", by: Self.people[3], at: 1),
        ])
        #expect(group.unsettled.expelled.isEmpty && !group.unsettled.isWithoutProof)
        _ = group.take(try Self.record("join", by: Self.people[4], at: 2))
        _ = group.take(try proven("expel", by: Self.owner, [ben, carl], at: 3))
        _ = group.take(try proven("invite", by: Self.owner, [carl], at: 4))
        #expect(group.unsettled.expelled.map(\.member) == [ben] && group.unsettled.expelled.map(\.by) == [Self.owner])
        #expect(!group.unsettled.isWithoutProof)
        _ = group.take(try Self.record("quit", by: anna, at: 5))
        #expect(group.unsettled.isWithoutProof)
        _ = group.take(try Self.record("reset", by: Self.owner, [carl], at: 6, administrators: []))
        #expect(group.unsettled.expelled.isEmpty)
    }

    @Test("whether somebody was a member at a time, as far back as the commands reach")
    func past() throws {
        let (anna, ben) = (Self.people[0], Self.people[1])
        let group = known([
            try Self.record("invite", by: Self.owner, [anna], at: 10),
            try Self.record("expel", by: Self.owner, [anna], at: 20),
            try Self.record("invite", by: Self.owner, [anna, ben], at: 30), try Self.record("quit", by: anna, at: 40),
        ])
        let times = [9.0, 10, 15, 20, 29, 30, 39.5, 40, 41]
        let answers = [false, true, true, false, false, true, true, false, false]
        for (time, answer) in zip(times, answers) {
            #expect(group.wasMember(anna, at: Self.start + time) == answer, "\(time)")
        }
        #expect(group.wasMember(Self.owner, at: 0) && !group.wasMember(Self.people[2], at: Self.start + 50))
        // Before the owner's last word nobody knows any more.
        var later = group
        _ = later.take(try Self.record("reset", by: Self.owner, [ben], at: 50, administrators: []))
        #expect(!later.wasMember(anna, at: Self.start + 30) && later.wasMember(ben, at: Self.start + 50))
    }

    @Test("the verdict on a command is what becomes of it, and changes nothing itself")
    func verdicts() throws {
        let (anna, ben) = (Self.people[0], Self.people[1])
        let group = known([try Self.record("invite", by: Self.owner, [anna], at: 0)])
        for record in [
            try Self.record("invite", by: Self.owner, [ben], at: 1), try Self.record("expel", by: anna, [ben], at: 1),
            try Self.record("hire", by: anna, [anna], at: 1), try Self.record("quit", by: anna, at: 1),
            try Self.record("invite", by: Self.owner, [anna], at: 0), try Self.record("quit", by: Self.owner, at: 1),
        ] {
            let before = group
            let verdict = group.verdict(on: record)
            #expect(group == before)
            var other = group
            #expect(other.take(record) == verdict, "\(record.act)")
        }
        guard case .kept(.some) = group.verdict(on: try Self.record("hire", by: anna, [ben], at: 1)) else {
            Issue.record("a member hires")
            return
        }
    }

    @Test("a card that is too long to be handed on is not kept")
    func card() {
        var group = known([])
        let isShown = group.show(["data": .string(String(repeating: "x", count: 12 << 10))])
        let card = group.card
        let isTooLong = !group.show(["data": .string(String(repeating: "y", count: 17 << 10))])
        #expect(isShown && isTooLong)
        #expect(group.card == card)
    }

    @Test("the edition of a group is another with every command, and the same for the same commands")
    func edition() throws {
        let (anna, ben) = (Self.people[0], Self.people[1])
        let invite = try Self.record("invite", by: Self.owner, [anna, ben], at: 0)
        let expel = try Self.record("expel", by: Self.owner, [ben], at: 1)
        let again = try Self.record("invite", by: Self.owner, [ben], at: 2)
        let first = known([invite])
        let last = known([again, expel, invite])
        // The same members in other words: a stream of numbers that ended is not taken up again.
        #expect(first.roll == last.roll && first.edition != last.edition)
        #expect(last.edition == known([invite, expel, again]).edition)
    }

    @Test("a group of a thousand takes nobody more")
    func full() throws {
        let many = (0..<1_020).map { Self.id("member \($0)") }
        var group = known([try Self.record("reset", by: Self.owner, many, at: 0, administrators: [])])
        #expect(group.membership.members.count == Membership.limit)
        let outcome = group.take(try Self.record("invite", by: Self.owner, [Self.people[0]], at: 1))
        guard case .kept(.some) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(group.membership.members.count == Membership.limit)
    }

    @Test("the same command counts once, however it came")
    func twice() throws {
        var group = known([])
        let invite = try Self.record("invite", by: Self.owner, [Self.people[0]], at: 0)
        #expect(group.take(invite) == .changed)
        #expect(group.take(invite) == .known)
        // An application that gives commands the number of other commands, and one name for one member.
        let same = Content(
            type: .command, sn: 1, time: Self.start, group: Self.group,
            ["command": "invite", "member": .string(Self.people[0].text)])
        #expect(group.take(try #require(GroupRecord(same, signedBy: Self.owner))) == .known)
    }

    @Test("the next command comes after all that are known, whatever the clock says")
    func next() throws {
        let invite = try Self.record("invite", by: Self.owner, [Self.people[0]], at: 100, sn: 7)
        let group = known([invite])
        for (wall, time, least) in [(50.0, 100.0, Int64(8)), (100.5, 100, 8), (101.5, 101, 1)] {
            let next = group.next(at: Self.start + wall)
            #expect(next.time == Self.start + time)
            #expect(next.leastSN == least)
        }
        // A signer may write any number that every reader counts exactly.
        let last = known([
            try Self.record("invite", by: Self.owner, [Self.people[0]], at: 100, sn: GroupRecord.largestSN)
        ])
        #expect(last.next(at: Self.start + 50).time == Self.start + 101 && last.next(at: Self.start + 50).leastSN == 1)
    }

    @Test("a command of ours comes between two of an application within one second")
    func fractions() throws {
        func said(_ act: String, at time: Double, sn: Int64, by signer: ID) throws -> GroupRecord {
            var content = Content(
                type: .history, sn: sn, time: Self.start, group: Self.group,
                ["command": .string(act), "members": .array([.string(Self.people[0].text)])])
            content.json["time"] = .number(Self.start + time)
            // As it is when it was written and read again.
            return try #require(GroupRecord(Content(JSON(parsing: JSON.object(content.json).text)), signedBy: signer))
        }
        var group = known([try said("invite", at: 10.1366327, sn: 7, by: Self.owner)])
        for wall in [10.5, 3, 10] { #expect(group.next(at: Self.start + wall) == (Self.start + 10.1366327, 8)) }
        let next = group.next(at: Self.start + 10.5)
        #expect(
            group.take(try said("quit", at: next.time - Self.start, sn: next.leastSN, by: Self.people[0])) == .changed)
        #expect(!group.membership.contains(Self.people[0]))
        #expect(group.take(try said("invite", at: 10.5, sn: 1, by: Self.owner)) == .changed)
        #expect(group.membership.contains(Self.people[0]))
        #expect(group.next(at: Self.start + 11.9) == (Self.start + 11, 1))
    }

    @Test("a serial number that not every reader counts exactly has no place")
    func largestNumber() throws {
        func said(_ sn: Int64) -> GroupRecord? {
            GroupRecord(
                Content(type: .history, sn: sn, time: Self.start, group: Self.group, ["command": "join"]),
                signedBy: Self.people[0])
        }
        #expect(said(.max) == nil && said((1 << 53) + 1) == nil)
        let last = known([try #require(said(1 << 53))])
        #expect(last.next(at: Self.start) == (Self.start + 1, 1))
    }
}
