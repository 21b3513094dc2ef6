import Testing

@testable import culver

struct SocketPathTests {
    private func find(socket: String? = nil, _ variables: [String: String] = [:], files: [String] = []) throws -> String
    {
        try SocketPath.find(
            socket: socket, config: nil, environment: { variables[$0] }, exists: { files.contains($0) })
    }

    @Test("the option beats the variable, which beats the user's daemon, which beats the system's")
    func order() throws {
        let variables = ["CULVER_SOCKET": "/v", "XDG_RUNTIME_DIR": "/run/user/1"]
        let users = "/run/user/1/culver/culver.sock"
        #expect(try find(socket: "/o", variables, files: [users]) == "/o")
        #expect(try find(variables, files: [users]) == "/v")
        #expect(try find(["XDG_RUNTIME_DIR": "/run/user/1"], files: [users]) == users)
        #expect(try find(["XDG_RUNTIME_DIR": "/run/user/1"]) == "/run/culver/culver.sock")
        #expect(try find(["CULVER_SOCKET": ""]) == "/run/culver/culver.sock")
    }

    @Test("a configuration names it in its section [agent]")
    func configuration() {
        let text =
            "; c\n[broker]\nsocket = /no\n[agent]\n# socket = /no\n socket = /run/x.sock ; here\n[x]\nsocket=/no\n"
        #expect(SocketPath.named(in: text) == "/run/x.sock")
        #expect(SocketPath.named(in: "[agent]\nstate = /x\n") == nil)
    }
}

struct IDTests {
    @Test(
        "text with an at sign, or with the shape of an address, is an ID; anything else is a path",
        arguments: [
            ("hulk@4YeVEN3aUnvC1DNUufCq1bs9zoBSJTzVEj", true), ("4YeVEN3aUnvC1DNUufCq1bs9zoBSJTzVEj", true),
            ("4YeVEN3aUnvC1DNUufCq1bs9zoBSJTzVEk", false), ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", true),
            ("anywhere", false), ("card.json", false), ("-", false),
            ("hub", false),
            ("./4YeVEN3aUnvC1DNUufCq1bs9zoBSJTzVEj", false), ("0x12", false), ("", false),
        ])
    func isID(_ text: String, _ isID: Bool) {
        #expect(Contacts.Add.isID(text) == isID)
    }
}
