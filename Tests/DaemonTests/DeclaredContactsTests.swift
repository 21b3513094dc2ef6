import DIMP
import Records
import Store
import Testing

@testable import culverd

@MainActor @Suite struct DeclaredContactsTests {
    private let rig: Rig
    private let running = RunningConfiguration(Configuration(), options: Options(), environment: [:])
    private let declared: DeclaredContacts

    init() throws {
        rig = try Rig()
        declared = DeclaredContacts(loop: rig.loop, running: running)
    }

    private func declare(_ contacts: [String: ID]) async {
        var configuration = Configuration()
        configuration.contacts = contacts.map { ContactSettings(name: $0.key, id: $0.value.text) }
        running.take(configuration)
        declared.declare()
        await rig.settle()
    }

    private func contact(_ id: ID) -> Contact? { rig.loop.book.contact(id.address) }

    private func reasons() throws -> [String?] {
        try rig.loop.store.events(start: 0, limit: 100).map(\.reason)
    }

    @Test("a section is a contact as long as it stands there")
    func whileItStands() async throws {
        let hulk = try madeIdentity("hulk").id
        await declare(["gate": hulk])
        #expect(contact(hulk)?.name == "gate")
        #expect(contact(hulk)?.isDeclared == true)
        await declare([:])
        #expect(contact(hulk) == nil)
    }

    @Test("the configuration takes a name from another contact, and an event says so")
    func nameTaken() async throws {
        let (hulk, thor) = (try madeIdentity("hulk").id, try madeIdentity("thor").id)
        rig.loop.add(
            .chore { [loop = rig.loop] _ in
                loop.book.apply(.contact(Contact(id: thor.bare, name: "gate", trust: .contact)))
            })
        await rig.settle()
        await declare(["gate": hulk])
        #expect(contact(hulk)?.name == "gate")
        #expect(contact(thor)?.name == nil)
        #expect(try reasons().contains("name-taken"))
    }

    @Test("an identity of this board is no contact, whatever the configuration says")
    func own() async throws {
        let moki = try madeIdentity("moki")
        rig.loop.book.facebook.put(moki)
        await declare(["me": moki.id])
        #expect(contact(moki.id) == nil)
        #expect(try reasons() == ["bad-contact"])
    }
}
