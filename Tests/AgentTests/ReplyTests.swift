import Agent
import DIMP
import Format
import Records
import TestSupport
import Testing

/// Answers of dimples 2.1.1, JavaScript and Java, as they were recorded (`Tests/Vectors/reply`), given to a message of ours:
/// with our IDs, number, time and signature in the places of the recorded ones.
@Suite("What applications answer")
struct ReplyTests {
    private let moki = People.moki
    private let hulk = People.hulk

    private static let cases: [JSON] = ((try? Vectors.read("reply")) ?? []).filter {
        $0["note"]?.string?.contains("application layer") == true
    }

    private static let texts = cases.filter { $0["request"]?["type"] == 1 }.compactMap { $0["name"]?.string }

    private static let unsupported = cases.filter { vector in
        let replies = vector["replies"]?.array ?? []
        return replies.contains { $0["text"]?.string?.contains("not support") == true }
    }.compactMap { $0["name"]?.string }

    /// How several answers come.
    enum Way: CaseIterable {
        case inOrder, backwards, together
    }

    /// A message of moki that hulk, who is no culver, answers like in this case.
    private func answered(_ name: String, _ way: Way) throws -> (Pair, Outgoing) {
        let vector = try #require(Self.cases.first { $0["name"]?.string == name })
        let pair = Pair.friends()
        pair.a.befriend(hulk, isCulver: false, visa: People.stockHulk)
        pair.b.isSilent = true
        let request = vector["request"]?.object ?? [:]
        let members = request.members.filter { !["type", "sn", "time"].contains($0.name) }
        let type = request["type"].flatMap(Content.type).flatMap(ContentType.init(rawValue:))
        let token = pair.submit(type ?? .any, JSONObject(members.map { ($0.name, $0.value) }))
        pair.settle()
        let row = try #require(pair.row(token))
        #expect(row.state == .published)
        let message = try #require(pair.messages(from: 0, to: hulk.id.address).first)
        let replies = (vector["replies"]?.array ?? []).map { adapted($0, vector, row, message) }
        var contents = try replies.map { try Content($0) }
        switch way {
        case .inOrder: break
        case .backwards: contents.reverse()
        case .together:
            contents = [Content(type: .array, sn: 7, time: Pair.start, ["contents": .array(replies)])]
        }
        for content in contents { pair.lay(try hulk.stockMessage(content, to: moki), on: 0) }
        return (pair, try #require(pair.row(token)))
    }

    /// The answer with our values in the places of those that it repeats from the recorded message.
    private func adapted(_ reply: JSON, _ vector: JSON, _ row: Outgoing, _ message: ReliableMessage) -> JSON {
        let origin = reply["origin"] ?? .null
        var values: [(JSON?, JSON)] = [
            (origin["signature"], .string(Base64.encode(message.signature))),
            (origin["sender"], .string(moki.id.text)), (origin["receiver"], .string(hulk.id.text)),
        ]
        if let time = message.envelope.time { values.append((origin["time"], .number(time))) }
        if origin["sn"] != nil { values.append((origin["sn"], .integer(row.sn))) }
        func change(_ json: JSON) -> JSON {
            if let value = values.first(where: { $0.0 == json })?.1 { return value }
            guard let object = json.object else { return json }
            return .object(JSONObject(object.members.map { ($0.0, change($0.1)) }))
        }
        var object = change(reply).object ?? [:]
        object["time"] = .number(Pair.start)
        return .object(object)
    }

    @Test(
        "a text that was answered is delivered, in whatever order and bundle the answers come",
        arguments: ReplyTests.texts, Way.allCases)
    func text(name: String, way: Way) throws {
        let (pair, row) = try answered(name, way)
        #expect(row.state == .delivered)
        #expect(pair.a.rejections.isEmpty && pair.a.inbox.isEmpty)
    }

    @Test(
        "every recorded answer is carried out and none is in the inbox: with a receipt in it the message is delivered",
        arguments: ReplyTests.cases.compactMap { $0["name"]?.string }, Way.allCases)
    func every(name: String, way: Way) throws {
        let (pair, row) = try answered(name, way)
        let vector = try #require(Self.cases.first { $0["name"]?.string == name })
        let isReceipted = vector["replies"]?.array?.contains { $0["command"] == "receipt" } == true
        #expect(row.state == (isReceipted ? .delivered : .published))
        #expect((row.reason == "not-understood") == Self.unsupported.contains(name))
        #expect(pair.a.rejections.isEmpty && pair.a.inbox.isEmpty)
        // Receipts and answers are not receipted.
        #expect(pair.messages(from: 0, to: hulk.id.address).count == 1)
    }

    @Test("eight texts were recorded, and no receipt that comes first has a number in its origin")
    func recorded() {
        #expect(Self.cases.count == 48 && Self.texts.count == 8 && Self.unsupported.count > 10)
        for vector in Self.cases where Self.texts.contains(vector["name"]?.string ?? "") {
            let origin = vector["replies"]?.array?.first?["origin"]
            #expect(origin?["signature"] != nil && origin?["sn"] == nil)
        }
    }

    @Test(
        "an answer that a content is not supported is told, in whatever order and bundle the answers come",
        arguments: ReplyTests.unsupported, Way.allCases)
    func notUnderstood(name: String, way: Way) throws {
        let (_, row) = try answered(name, way)
        #expect(row.state == .delivered && row.reason == "not-understood")
    }
}
