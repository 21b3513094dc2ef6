import Agent
import DIMP
import Format
import Records
import Testing

@Suite("Contents with wrong members")
struct DamagedContentTests {
    private let moki = People.moki
    private let hulk = People.hulk

    private func message(_ json: JSON, isSealed: Bool) throws -> ReliableMessage {
        var object = json.object ?? [:]
        if object["time"] == nil { object["time"] = .number(Pair.start) }
        let content = try Content(.object(object))
        return try isSealed ? moki.sealedMessage(content, to: hulk) : moki.stockMessage(content, to: hulk)
    }

    private func pair(isSealed: Bool) throws -> Pair {
        let pair = Pair.friends()
        if !isSealed { pair.b.befriend(moki, isCulver: false, visa: try moki.visa(time: People.time, isStock: true)) }
        return pair
    }

    /// One for each type: members of the wrong kind, or none.
    static let damaged = [
        #"{"type":1}"#, #"{"type":1,"text":7,"sn":"x"}"#, #"{"type":16,"data":"no base64!"}"#,
        #"{"type":18,"URL":"x","key":"k"}"#, #"{"type":20,"data":7}"#, #"{"type":22,"password":[]}"#,
        #"{"type":32,"title":7}"#, #"{"type":51,"did":"nobody"}"#, #"{"type":55,"origin":"o"}"#,
        #"{"type":64,"amount":"5"}"#, #"{"type":65,"currency":{}}"#, #"{"type":66}"#, #"{"type":72}"#, #"{"type":73}"#,
        #"{"type":136}"#, #"{"type":136,"command":[]}"#, #"{"type":136,"command":"meta","did":"nobody","meta":{}}"#,
        #"{"type":136,"command":"documents"}"#, #"{"type":136,"command":"handshake"}"#,
        #"{"type":136,"command":"block","list":["x"]}"#, #"{"type":136,"command":"login"}"#,
        #"{"type":137}"#, #"{"type":160}"#, #"{"type":202,"contents":"x"}"#, #"{"type":204,"app":7}"#,
        #"{"type":207,"messages":{}}"#, #"{"type":255,"secrets":"x"}"#, #"{"type":0}"#, #"{"type":99}"#,
        #"{"type":"*"}"#, #"{"type":"bogus","sn":-5}"#, #"{"type":"999999999999"}"#,
    ]

    @Test(
        "what cannot be understood is handed on as it is, with its receipt, and changes nothing",
        arguments: damaged, [true, false])
    func handedOn(text: String, isSealed: Bool) throws {
        let pair = try pair(isSealed: isSealed)
        let before = pair.b.book.state.contacts
        let json = try JSON(parsing: text)
        let message = try message(json, isSealed: isSealed)
        pair.lay(message)
        let row = try #require(pair.b.inbox.first)
        let kept = try #require(JSON(parsing: row.content).object)
        for (name, value) in json.object?.members ?? [] { #expect(kept[name] == value) }
        #expect(pair.b.inbox.count == 1 && pair.b.rejections.isEmpty)
        #expect(pair.messages(from: 1, to: moki.id.address).count == 1)
        #expect(pair.b.book.state.contacts == before)
        pair.lay(message)
        #expect(pair.b.inbox.count == 1)
    }

    /// What is for the agent and says nothing that is true.
    static let refused = [
        #"{"type":136,"command":"receipt"}"#, #"{"type":136,"command":"receipt","origin":7,"sn":"x"}"#,
        #"{"type":136,"command":"receipt","origin":{"sn":5,"signature":"AAAAAAAAAAAA"}}"#,
        #"{"type":136,"command":"receipt","digest":"AAAA"}"#,
        #"{"type":136,"command":"meta","did":"CAROL","meta":{"type":1}}"#,
        #"{"type":136,"command":"meta","did":"CAROL","meta":"x"}"#,
        #"{"type":136,"command":"documents","did":"CAROL","documents":["x",{}]}"#,
        #"{"type":136,"command":"profile","did":"CAROL","profile":"x","signature":7}"#,
        #"{"type":255,"secrets":["x"]}"#, #"{"type":255,"forward":{"sender":7}}"#, #"{"type":255,"forward":[]}"#,
    ]

    @Test("what is for the agent and cannot be so is counted and told, and changes nothing", arguments: refused)
    func counted(text: String) throws {
        let pair = try pair(isSealed: false)
        pair.b.book.apply(.contact(Contact(id: People.carol.id, trust: .contact)))
        let before = pair.b.book.state.contacts
        let json = try JSON(parsing: text.replacing("CAROL", with: People.carol.id.text))
        pair.lay(try message(json, isSealed: false))
        #expect(!pair.b.rejections.isEmpty)
        let told = pair.b.ledger.state.events.filter { $0.kind == .refused }
        #expect(!told.isEmpty && told.allSatisfy { $0.text.hasPrefix("refused at ") })
        #expect(pair.b.inbox.isEmpty && pair.b.book.state.contacts == before)
        #expect(pair.b.book.meta(of: People.carol.id) == nil)
    }
}
