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

    @Test("the user's daemon is looked for where it listens with and without a session, and asked though it is away")
    func own() throws {
        let session = ["HOME": "/home/a", "XDG_RUNTIME_DIR": "/r"]
        let cache = ["HOME": "/home/a"]
        let (inSession, inCache) = ("/r/culver/culver.sock", "/home/a/.cache/culver/culver.sock")
        let (state, other) = ("/home/a/.local/state/culver", "/s/culver")
        #expect(try find(cache, files: [inCache]) == inCache)
        #expect(try find(session, files: [inCache]) == inCache)
        #expect(try find(session, files: [inSession, inCache]) == inSession)
        #expect(try find(session, files: [state]) == inSession)
        #expect(try find(cache, files: [state]) == inCache)
        #expect(try find(session, files: []) == SocketPath.system)
        #expect(try find(cache.merging(["XDG_STATE_HOME": "/s"]) { $1 }, files: [other]) == inCache)
        // The specification has relative paths ignored, and so has the daemon.
        #expect(
            try find(["HOME": "/home/a", "XDG_RUNTIME_DIR": "r"], files: ["r/culver/culver.sock"]) == SocketPath.system)
        #expect(try find(["HOME": "/home/a", "XDG_STATE_HOME": "s"], files: ["s/culver"]) == SocketPath.system)
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
