import Testing

@testable import culverd

@MainActor @Suite struct MethodTableTests {
    @Test("every method has a name of its own, and that of its family first")
    func names() {
        #expect(Set(Method.all.map(\.name)).count == Method.all.count)
        let families = Set(Method.all.compactMap { $0.name.split(separator: ".").first.map(String.init) })
        #expect(
            families == [
                "hello", "rpc", "status", "metrics", "identity", "contact", "presence", "group", "message", "file",
                "inbox", "event", "doctor", "backup", "call", "pipe",
            ])
    }

    @Test("what is answered while the identities move is there, and sends and takes nothing")
    func answeredWhileRetiring() throws {
        for name in Backups.answered { #expect(Method.byName[name] != nil, "\(name)") }
        for name in [
            "message.send", "message.cancel", "inbox.subscribe", "inbox.ack", "contact.add", "identity.create",
        ] {
            #expect(!Backups.answered.contains(name))
        }
    }

    @Test("only callers with a role see what is kept, and only an admin changes keys and contacts")
    func roles() {
        #expect(Method.all.filter { $0.role == .anyone }.map(\.name) == ["hello", "rpc.discover"])
        for name in [
            "identity.export", "identity.remove", "contact.rename", "contact.block", "contact.unblock",
            "contact.mute", "contact.unmute", "contact.remove", "backup.begin",
        ] {
            #expect(Method.byName[name]?.role == .admin)
        }
        #expect(["contact.add", "contact.accept"].allSatisfy { Method.byName[$0]?.role == .sender })
        for method in Method.all where method.name.hasPrefix("message.") {
            #expect(method.role == .reader || method.role == .sender, "\(method.name)")
        }
    }
}
