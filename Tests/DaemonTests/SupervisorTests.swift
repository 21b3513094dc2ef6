import Foundation
import Testing

@testable import culverd

/// Serialized: the environment is one.
@Suite(.serialized) struct SupervisorTests {
    private static let names = [
        "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES",
    ]

    private func supervisor(_ values: String...) -> Supervisor {
        for (name, value) in zip(Self.names, values) where !value.isEmpty { setenv(name, value, 1) }
        return Supervisor()
    }

    @Test("what is handed over in the environment is taken out of it, for whomever it is")
    func environment() {
        for pid in [String(getpid()), "1"] {
            _ = supervisor("/nonexistent", "3000000", pid, "0", pid, "a:b")
            for name in Self.names { #expect(getenv(name) == nil, "\(name)") }
        }
    }

    @Test("a watchdog that watches another process is not ours")
    func watchdog() {
        #expect(supervisor("", "3000000", String(getpid())).patience == 3)
        #expect(supervisor("", "3000000").patience == 3)
        #expect(supervisor("", "3000000", "1").patience == nil)
        for nonsense in ["", "0", "-5", "soon", "99999999999999999999999"] {
            #expect(supervisor("", nonsense).patience == nil, "\(nonsense)")
        }
    }

    @Test("nonsense in the environment hands nothing over")
    func listeners() {
        let pid = String(getpid())
        for count in ["0", "-1", "many", ""] { #expect(supervisor("", "", "", count, pid).listeners == []) }
        #expect(supervisor("", "", "", "1", "1").listeners == [])
    }

    @Test("without somebody who listens nothing is told", arguments: ["", "relative", "/nonexistent/socket", "@"])
    func deaf(address: String) {
        #expect(!supervisor(address).tell("READY=1"))
    }
}
