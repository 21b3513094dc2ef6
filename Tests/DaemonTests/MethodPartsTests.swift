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
        try settings.set("reader", to: reader)
        try settings.set("sender", to: sender)
        try settings.set("admin", to: admin)
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
