import Agent
import DIMP
import Format
import Records
import Testing

@Suite("Brokers")
struct BrokerTests {
    private let moki = People.moki
    private let hulk = People.hulk

    @Test("what was in flight when the broker was lost goes again at once when it is back")
    func lost() throws {
        let pair = Pair.friends()
        pair.trouble.lost = 1
        pair.isAcknowledging = false
        let token = pair.send("hello")
        pair.settle()
        pair.unlink(0)
        pair.trouble.lost = 0
        pair.isAcknowledging = true
        #expect(pair.row(token)?.state == .queued)
        #expect(pair.row(token)?.due.map { $0 <= pair.now.lived } == true)
        pair.link(0)
        pair.settle()
        #expect(pair.row(token)?.state == .delivered)
        #expect(pair.b.texts == ["hello"])
    }

    @Test("at most as many publications are unacknowledged as there is room for")
    func room() throws {
        let pair = Pair.friends()
        pair.isAcknowledging = false
        pair.forgetPublished()
        for number in 0..<50 {
            pair.send("\(number)")
            // Each goes alone.
            pair.settle()
        }
        #expect(pair.published.count { $0.board == 0 } == 20)
        for sent in pair.published.filter({ $0.board == 0 }).prefix(5) {
            pair.feed(0, .acknowledged(sent.parcel.number, .taken))
        }
        pair.settle()
        #expect(pair.published.count { $0.board == 0 } == 25)
    }

    @Test("many identities do not overrun a small room, and all cards get there")
    func cards() throws {
        let pair = Pair([Board([moki, hulk, People.carol, People.dave])])
        pair.feed(0, .linked(broker: "home", room: 3))
        #expect(pair.published.count == 3)
        pair.boards[0].linked.insert("home")
        for number in 1...3 { pair.feed(0, .acknowledged(UInt64(number), .taken)) }
        #expect(pair.published.count == 6)
        for number in 4...6 { pair.feed(0, .acknowledged(UInt64(number), .taken)) }
        #expect(pair.published.count == 8)
    }

    @Test("where nobody is subscribed the message stays queued, with the reason, and is repeated")
    func nobody() throws {
        let pair = Pair.friends()
        pair.outcome = .nobody
        let token = pair.send("hello")
        pair.advance(5)
        #expect(pair.row(token)?.state == .queued)
        #expect(pair.row(token)?.reason == "nobody-subscribed")
        #expect(pair.messages(from: 0, to: hulk.id.address).count == 1)
        pair.outcome = .refused("quota exceeded")
        pair.advance(10)
        #expect(pair.row(token)?.state == .queued)
        #expect(pair.row(token)?.reason == "broker-refused: quota exceeded")
        pair.outcome = nil
        pair.advance(60)
        #expect(pair.row(token)?.state == .delivered)
        #expect(pair.row(token)?.reason == nil)
    }

    @Test(
        "a peer on the second broker only is reached, and its receipts come back",
        arguments: ["cloud", "lan"])
    func twoBrokers(other: String) throws {
        let pair = Pair([Board([moki]), Board([hulk], seed: 2)], brokers: ["cloud", "lan"])
        pair.a.befriend(hulk)
        pair.b.befriend(moki)
        pair.link(0, "cloud")
        pair.link(0, "lan")
        pair.link(1, other)
        pair.settle()
        let there = pair.send("there")
        let back = pair.send("back", from: 1)
        pair.settle()
        #expect(pair.row(there)?.state == .delivered)
        #expect(pair.row(back, of: 1)?.state == .delivered)
    }

    @Test("a peer on the second broker is reached when the first says nothing about subscribers")
    func twoBrokersWithoutWords() throws {
        let pair = Pair([Board([moki]), Board([hulk], seed: 2)], brokers: ["cloud", "lan"])
        pair.a.befriend(hulk)
        pair.b.befriend(moki)
        pair.link(0, "cloud")
        pair.link(0, "lan")
        pair.link(1, "lan")
        pair.outcome = .taken
        let token = pair.send("there")
        pair.advance(60)
        #expect(pair.row(token)?.state == .delivered)
    }

    @Test("one of two brokers lost: what was in flight there goes by the other, receipts too")
    func oneLost() throws {
        let pair = Pair([Board([moki]), Board([hulk], seed: 2)], brokers: ["cloud", "lan"])
        pair.a.befriend(hulk)
        pair.b.befriend(moki)
        pair.linkAll()
        pair.isAcknowledging = false
        pair.trouble.lost = 1
        let token = pair.send("hello")
        pair.settle()
        pair.trouble.lost = 0
        pair.isAcknowledging = true
        pair.unlink(0, "cloud")
        pair.settle()
        pair.advance(20)
        #expect(pair.row(token)?.state == .delivered)
        #expect(pair.b.texts == ["hello"])
    }

    @Test("a broker that connects again without a word of the loss begins anew")
    func linkedTwice() throws {
        let pair = Pair.friends()
        pair.isAcknowledging = false
        pair.trouble.lost = 1
        let tokens = (0..<20).map { pair.send("\($0)") }
        pair.settle()
        pair.isAcknowledging = true
        pair.trouble.lost = 0
        pair.feed(0, .linked(broker: "home", room: 20))
        pair.settle()
        #expect(tokens.allSatisfy { pair.row($0)?.state == .delivered })
    }

    /// Messages of more than this many bytes end the connection.
    private func pair(endingBeyond bytes: Int) -> Pair {
        let pair = Pair.friends()
        pair.endsConnection = { $0.payload.count > bytes }
        return pair
    }

    @Test("one message that ends every connection is set aside with its reason, and the others get there")
    func culprit() throws {
        let pair = pair(endingBeyond: 50_000)
        let large = pair.send(String(repeating: "x", count: 60_000))
        let small = (0..<30).map { pair.send("\($0)") }
        pair.advance(20)
        #expect(small.allSatisfy { pair.row($0)?.state == .delivered })
        let row = try #require(pair.row(large))
        #expect(row.state == .queued && row.reason == "broker-refused: broker home ends the connection over it")
        let event = try #require(pair.a.ledger.state.events.last { $0.reason == "set-aside" })
        #expect(event.id == row.id && event.broker == "home" && event.did == hulk.id)
        let tries = { pair.published.count { $0.board == 0 && $0.parcel.payload.count > 50_000 } }
        #expect(tries() == 3)
        pair.advance(7200)
        #expect(tries() < 10)
        // The broker takes more now.
        pair.endsConnection = { _ in false }
        pair.advance(3700)
        #expect(pair.row(large)?.state == .delivered && pair.row(large)?.reason == nil)
        #expect(pair.b.inbox.count == 31)
    }

    @Test("a message that one broker ends the connection over goes by another")
    func culpritElsewhere() throws {
        let pair = Pair([Board([moki]), Board([hulk], seed: 2)], brokers: ["cloud", "lan"])
        pair.a.befriend(hulk)
        pair.b.befriend(moki)
        pair.linkAll()
        pair.endsConnection = { $0.broker == "cloud" && $0.payload.count > 50_000 }
        let large = pair.send(String(repeating: "x", count: 60_000))
        pair.advance(60)
        #expect(pair.row(large)?.state == .delivered)
    }

    @Test(
        "a topic that may not be written ends two or three connections for each of two messages, not one for each of many"
    )
    func closedTopic() throws {
        let pair = Pair.friends()
        pair.a.befriend(People.carol)
        let topic = Topic.inbox(People.carol.id.address)
        pair.endsConnection = { $0.topic == topic }
        let closed = (0..<20).map { number in
            defer { pair.settle() }
            return pair.send("\(number)", to: People.carol.id)
        }
        let open = pair.send("hello")
        pair.advance(50)
        #expect(pair.row(open)?.state == .delivered)
        #expect(closed.allSatisfy { pair.row($0)?.reason?.hasPrefix("broker-refused") == true })
        #expect(pair.a.ledger.state.events.count { $0.reason == "set-aside" } == 2)
    }

    @Test("a card that ends the connection keeps no message from going")
    func culpritCard() throws {
        let pair = Pair([Board([moki]), Board([hulk], seed: 2)])
        pair.a.befriend(hulk)
        pair.b.befriend(moki)
        pair.endsConnection = { $0.topic == .visa(People.moki.id.address) }
        pair.linkAll()
        let token = pair.send("hello")
        pair.advance(40)
        #expect(pair.row(token)?.state == .delivered)
    }

    @Test("a message longer than the broker says it takes is not tried there, and says so")
    func announced() throws {
        let pair = Pair([Board([moki]), Board([hulk], seed: 2)])
        pair.packetLimit = 40_000
        pair.a.befriend(hulk)
        pair.b.befriend(moki)
        pair.linkAll()
        let token = pair.send(String(repeating: "x", count: 60_000))
        let small = pair.send("small")
        pair.advance(5)
        #expect(pair.row(small)?.state == .delivered)
        #expect(pair.row(token)?.reason?.hasPrefix("broker-refused: broker home takes no message of ") == true)
        #expect(pair.published.allSatisfy { $0.parcel.payload.count < 40_000 })
        #expect(pair.a.ledger.state.events.count { $0.reason == "broker-refused" } == 1)
    }

    @Test("receipts go together as far as the broker takes them")
    func bundles() throws {
        let pair = Pair([Board([moki]), Board([hulk], seed: 2)])
        pair.packetLimit = 8_000
        pair.a.befriend(hulk)
        pair.b.befriend(moki)
        pair.linkAll()
        pair.forgetPublished()
        for number in 0..<40 {
            let content = Content.text("\(number)", sn: Int64(number) + 1, time: Pair.start)
            let message = try moki.sealedMessage(content, to: hulk)
            pair.feed(1, .arrived(message.json.bytes, at: hulk.id.address))
        }
        pair.advance(60)
        #expect(pair.b.inbox.count == 40)
        #expect(pair.b.ledger.state.accepted.allSatisfy { !$0.isOwed })
        let receipts = pair.published.filter { $0.board == 1 && $0.parcel.topic == .inbox(moki.id.address) }
        #expect(receipts.count < 40)
        #expect(receipts.allSatisfy { $0.parcel.payload.count <= 8_000 })
    }

    @Test("the first copy may wait for the receiver as long as the message lives, a repeat until the next one")
    func expiries() throws {
        let pair = Pair.friends()
        pair.trouble.lost = 1
        pair.forgetPublished()
        pair.send("hello")
        pair.advance(2000)
        let sent = pair.published.filter { $0.board == 0 && $0.parcel.topic == .inbox(hulk.id.address) }
        let expiries = sent.compactMap { $0.parcel.expiry.map(Int.init) }
        #expect(expiries.first == 7 * 86_400)
        // Repeats follow after 10 s, then 20, doubling up to 600.
        #expect(expiries.dropFirst().allSatisfy { $0 <= 670 })
        #expect(Array(expiries.dropFirst().prefix(3)) == [27, 49, 93])
    }

    @Test("late words about a broker that is gone do not bring it back")
    func late() throws {
        let pair = Pair.friends()
        pair.unlink(0)
        pair.feed(0, .acknowledged(1, .taken))
        pair.feed(0, .found(.visa(moki.id.address), [], broker: "home"))
        let count = pair.published.count
        let token = pair.send("hello")
        pair.settle()
        #expect(pair.published.count == count)
        #expect(pair.row(token)?.state == .queued)
        pair.link(0)
        pair.settle()
        #expect(pair.row(token)?.state == .delivered)
    }
}
