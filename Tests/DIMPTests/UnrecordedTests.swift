import Format
import Testing

@testable import DIMP

/// Contents and commands that no vector has, because the software that was asked writes none of them.
@Suite struct UnrecordedTests {
    private func content(_ text: String) throws -> Content { try Content(try JSON(parsing: text)) }

    @Test("lucky money, its claim and a split bill are handed on as they are", arguments: [66, 72, 73])
    func money(type: Int) throws {
        let text = #"{"type":\#(type),"sn":1,"time":1760000000,"currency":"CNY","amount":8.88}"#
        let content = try content(text)
        #expect(content.body == .opaque && content.type == Int64(type))
        #expect(JSON.object(content.json) == (try JSON(parsing: text)))
    }

    @Test("what is stored at a station has its title", arguments: ["storage", "contacts", "private_key"])
    func storage(name: String) throws {
        let titled = try content(#"{"type":136,"sn":1,"cmd":"\#(name)","title":"phone book","data":"x"}"#)
        #expect(titled.body == .command(.storage(title: "phone book")))
        let untitled = try content(#"{"type":136,"sn":1,"cmd":"\#(name)"}"#)
        #expect(untitled.body == .command(.storage(title: name)))
    }

    @Test("a search for users is a search, and a command around another is handed on as it is")
    func wrapped() throws {
        let users = try content(#"{"type":136,"sn":1,"command":"users","users":[]}"#)
        #expect(users.body == .command(.search(keywords: nil, users: [])))
        let broadcast = try content(#"{"type":136,"sn":1,"command":"broadcast","traces":[],"broadcast":{"type":136}}"#)
        #expect(broadcast.body == .command(.broadcast(broadcast.json)))
    }

    @Test("administrators come and go by commands of their own", arguments: ["hire", "fire", "resign"])
    func administrators(name: String) throws {
        let id = "hulk@4YeVEN3aUnvC1DNUufCq1bs9zoBSJTzVEj"
        let text = #"{"type":137,"sn":1,"command":"\#(name)","administrators":["\#(id)"],"assistants":["\#(id)","x"]}"#
        guard case .history(let command) = try content(text).body else { return #expect(Bool(false)) }
        #expect(command.name == name && command.administrators.map(\.text) == [id])
        #expect(command.assistants.map(\.text) == [id])
    }
}
