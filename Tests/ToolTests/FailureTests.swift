import Control
import Testing

@testable import culver

struct FailureTests {
    @Test("the daemon's error carries the exit code", arguments: Control.ExitCode.allCases)
    func codes(_ exit: Control.ExitCode) {
        #expect(ToolFailure(RPCError(exit: exit, reason: "r", message: "m")).exit == exit.rawValue)
    }

    @Test(
        "JSON-RPC's own errors have one as well",
        arguments: [(-32602, Int32(64)), (-32601, 69), (-32603, 74), (-32700, 74), (12, 74)])
    func foreign(_ code: Int, _ exit: Int32) {
        #expect(ToolFailure(RPCError(code: code, message: "m")).exit == exit)
    }

    @Test(
        "the states of a message end a wait as they should",
        arguments: [
            ("waiting", Int32(75), Int32(75)), ("queued", 75, 75), ("published", 0, 76), ("delivered", 0, 0),
            ("expired", 76, 76), ("failed", 76, 76), ("cancelled", 76, 76), ("something new", 75, 75),
        ])
    func states(_ state: String, _ published: Int32, _ delivered: Int32) {
        #expect(Goal.published.exit(for: state) == published)
        #expect(Goal.delivered.exit(for: state) == delivered)
    }
}
