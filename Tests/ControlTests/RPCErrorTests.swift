import Control
import Format
import Testing

struct RPCErrorTests {
    @Test("an error reads back as it was written", arguments: [nil, "do this"])
    func roundTrip(_ hint: String?) throws {
        let error = RPCError(exit: .notNow, reason: "outbox-full", message: "the outbox is full", hint: hint)
        #expect(RPCError(json: error.json) == error)
        #expect(error.json["data"]?["hint"]?.string == hint)
    }

    @Test("every exit code is found again in the code of its error", arguments: ExitCode.allCases)
    func codes(_ exit: ExitCode) {
        #expect(RPCError(exit: exit, reason: "x", message: "y").code == -32000 - Int(exit.rawValue))
        #expect(RPCError(exit: exit, reason: "x", message: "y").exit == exit)
    }

    @Test(
        "the codes of JSON-RPC, and strange ones, are no exit codes",
        arguments: [-32700, -32601, 0, 5, Int.min, Int.max])
    func foreign(_ code: Int) {
        #expect(RPCError(code: code, message: "x").exit == nil)
    }

    @Test(
        "what is no error object is none",
        arguments: ["x", 1, [:], ["code": "1", "message": "m"], ["code": 1]] as [JSON])
    func noError(_ json: JSON) {
        #expect(RPCError(json: json) == nil)
    }
}
