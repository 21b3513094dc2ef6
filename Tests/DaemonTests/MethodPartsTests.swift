import Control
import Format
import Glibc
import Testing

@testable import culverd

@Suite struct AccessTests {
    private func peer(_ uid: uid_t, gid: gid_t = 70_000, groups: [gid_t] = []) -> Peer {
        Peer(uid: uid, gid: gid, pid: 1, groups: groups)
    }

    private func access(reader: String = "", sender: String = "", admin: String = "") throws -> Access {
        var settings = AccessSettings()
        try settings.set("reader", reader)
        try settings.set("sender", sender)
        try settings.set("admin", admin)
        return Access(settings)
    }

    @Test("each role includes those before it")
    func order() {
        #expect(Role.anyone < .reader && Role.reader < .sender && Role.sender < .admin)
    }

    @Test("root and the daemon's user may do everything, strangers nothing")
    func usual() throws {
        let access = try access()
        #expect(access.role(of: peer(0)) == .admin)
        #expect(access.role(of: peer(geteuid())) == .admin)
        #expect(access.role(of: peer(70_001)) == .anyone)
    }

    @Test("users and groups have the highest role that was given to them, by number and by any of their groups")
    func grants() throws {
        let access = try access(reader: "70001 @70500", sender: "@70600", admin: "70003")
        #expect(access.role(of: peer(70_001)) == .reader)
        #expect(access.role(of: peer(70_002, gid: 70_500)) == .reader)
        #expect(access.role(of: peer(70_002, groups: [1, 70_500, 70_600])) == .sender)
        #expect(access.role(of: peer(70_003)) == .admin)
        #expect(access.role(of: peer(70_500)) == .anyone)
    }

    @Test("a user or group that does not exist opens nothing")
    func unknown() throws {
        let access = try access(reader: "nobody-of-this-name @no-such-group")
        #expect(access.role(of: peer(70_001, groups: [70_002])) == .anyone)
    }

    @Test("a limit to an identity counts, unless the same role is given without one")
    func limits() throws {
        let access = try access(reader: "70001 70002", sender: "70001:garden 70002:garden 70002 70003:porch")
        #expect(access.identities(of: peer(70_001), as: .sender) == ["garden"])
        #expect(access.identities(of: peer(70_001), as: .reader) == nil)
        #expect(access.identities(of: peer(70_002), as: .sender) == nil)
        #expect(access.identities(of: peer(70_003), as: .reader) == ["porch"])
        #expect(access.identities(of: peer(0), as: .sender) == nil)
    }
}

@Suite struct ParamsTests {
    private func params(_ object: JSONObject) throws -> Params {
        try Params(object, known: ["a", "b", "limit"])
    }

    private func reason(_ body: () throws -> Void) -> String? {
        do {
            try body()
            return nil
        } catch {
            return (error as? RPCError).map { "\($0.code) \($0.reason ?? "") \($0.message)" }
        }
    }

    @Test("an unknown parameter is refused by name")
    func unknown() {
        #expect(reason { _ = try params(["c": 1]) } == "-32602 unknown-parameter unknown parameter c")
    }

    @Test("a missing parameter is refused by name, null counts as missing")
    func missing() {
        #expect(reason { _ = try params([:]).needText("a") } == "-32602 missing-parameter parameter a is missing")
        #expect(
            reason { _ = try params(["a": nil]).needText("a") } == "-32602 missing-parameter parameter a is missing")
    }

    @Test(
        "a value of another kind is refused by name",
        arguments: [JSON.integer(1), true, ["x"], [:], .number(1.5)])
    func kinds(value: JSON) {
        #expect(reason { _ = try params(["a": value]).text("a") }?.contains("parameter a is not a string") == true)
    }

    @Test("numbers have bounds, and a fraction is no whole number")
    func numbers() throws {
        #expect(try params(["a": 7]).integer("a", 0...7) == 7)
        for value: JSON in [8, -1, .number(1.5), "7", true] {
            #expect(reason { _ = try params(["a": value]).integer("a", 0...7) }?.contains("from 0 to 7") == true)
        }
        #expect(try params(["a": .number(0.5)]).seconds("a") == 0.5)
        for value: JSON in [-1, "1", .number(.infinity)] {
            #expect(reason { _ = try params(["a": value]).seconds("a") } != nil)
        }
    }

    @Test("a list shows 100 rows unless told, and at most 1000")
    func limit() throws {
        #expect(try params([:]).limit() == 100)
        #expect(try params(["limit": 1000]).limit() == 1000)
        for value: JSON in [0, 1001, "10"] { #expect(reason { _ = try params(["limit": value]).limit() } != nil) }
    }

    @Test("text may be empty and hold any scalar")
    func text() throws {
        #expect(try params(["a": ""]).text("a") == "")
        #expect(try params(["a": "a\u{0}ü"]).text("a") == "a\u{0}ü")
    }
}

@Suite struct RowsTests {
    private func rows(_ numbers: ClosedRange<Int64>, bytes: Int = 1) -> [(position: Int64, row: JSONObject?)] {
        numbers.map { ($0, ["n": .integer($0), "text": .string(String(repeating: "x", count: bytes))]) }
    }

    private func numbers(_ page: JSON) -> [Int64] { page["rows"]?.array?.compactMap { $0["n"]?.integer } ?? [] }

    @Test("a row beyond the limit is where the next page starts")
    func next() {
        let page = Rows.page("rows", rows(5...8), limit: 3, isForward: true)
        #expect(numbers(page) == [5, 6, 7])
        #expect(page["next"] == 8)
    }

    @Test("the last page has no next")
    func last() {
        let page = Rows.page("rows", rows(5...7), limit: 3, isForward: true)
        #expect(numbers(page) == [5, 6, 7])
        #expect(page["next"] == nil)
    }

    @Test("a page ends before it passes a mebibyte, with at least one row")
    func size() {
        let large = Rows.page("rows", rows(1...3, bytes: 400_000), limit: 100, isForward: true)
        #expect(numbers(large) == [1, 2])
        #expect(large["next"] == 3)
        let huge = Rows.page("rows", rows(1...2, bytes: 3 << 20), limit: 100, isForward: true)
        #expect(numbers(huge) == [1])
        #expect(huge["next"] == 2)
    }

    @Test("without a start the newest are kept, in order, and nothing follows")
    func newest() {
        let page = Rows.page("rows", rows(1...3, bytes: 400_000), limit: 100, isForward: false)
        #expect(numbers(page) == [2, 3])
        #expect(page["next"] == nil)
    }

    @Test("a row that is not shown counts all the same")
    func hidden() {
        var rows = rows(1...3)
        rows[0].row = nil
        let page = Rows.page("rows", rows, limit: 2, isForward: true)
        #expect(numbers(page) == [2])
        #expect(page["next"] == 3)
    }
}
