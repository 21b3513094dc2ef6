import Control
import Format
import Testing

@testable import Operations

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
        #expect(try params(["a": 7]).integer("a", in: 0...7) == 7)
        for value: JSON in [8, -1, .number(1.5), "7", true] {
            #expect(reason { _ = try params(["a": value]).integer("a", in: 0...7) }?.contains("from 0 to 7") == true)
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
