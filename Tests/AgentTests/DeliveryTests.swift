import Agent
import DIMP
import Records
import Testing

@Suite("From submission to receipt")
struct DeliveryTests {
    @Test("a message is delivered by the verified receipt of its receiver")
    func delivered() throws {
        let pair = Pair.friends()
        let token = pair.send("hello")
        pair.settle()
        let row = try #require(pair.row(token))
        #expect(row.state == .delivered)
        #expect(pair.b.texts == ["hello"])
        #expect(pair.b.inbox.first?.sealed == true)
        #expect(pair.a.states[row.id] == [.queued, .published, .delivered])
    }
}
