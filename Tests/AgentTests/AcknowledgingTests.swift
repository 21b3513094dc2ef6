import Agent
import Crypto
import DIMP
import Format
import Records
import Testing

@Suite("Acknowledgements between agents")
struct AcknowledgingTests {
    private let moki = People.moki
    private let hulk = People.hulk
    private let carol = People.carol

    /// moki has sent a message to hulk, and neither hulk nor carol has heard of anything.
    private func unanswered(wantsSignedReceipt: Bool = false) throws -> (Pair, UInt64) {
        let pair = Pair.friends()
        pair.a.befriend(carol)
        pair.trouble.lost = 1
        let token = pair.send("hello", wantsSignedReceipt: wantsSignedReceipt)
        pair.settle()
        pair.trouble.lost = 0
        return (pair, token)
    }

    private func sealed(_ token: UInt64, in pair: Pair) throws -> (digest: [UInt8], key: SymmetricKey) {
        let number = try #require(pair.row(token)?.shipment)
        let shipment = try #require(pair.a.ledger.shipment(number))
        let key = try #require(pair.a.ledger.ciphertext(of: number)?.key)
        return (shipment.digest, try SymmetricKey(try JSON(parsing: key)))
    }

    private func acknowledgement(
        of digests: [[UInt8]], from: Identity, to: Identity, under key: SymmetricKey
    ) throws -> [UInt8] {
        try #require(
            Acknowledgement(of: digests, from: from.id.address, to: to.id.address, at: Pair.start, under: key)
        ).bytes
    }

    /// hulk knows moki by a visa of before.
    private func withoutAbility(_ pair: Pair) throws {
        pair.b.befriend(moki, visa: try moki.visa(time: moki.visa.time + 1))
    }

    // MARK: - Given

    @Test("a message between culver agents is delivered without a private key of its receiver")
    func noPrivateKey() throws {
        let pair = Pair.friends()
        pair.send("first")
        pair.settle()
        #expect(pair.b.unwraps == 1)
        for number in 0..<10 {
            // One after the other, else they share messages.
            let token = pair.send("\(number)")
            pair.settle()
            #expect(pair.row(token)?.state == .delivered)
        }
        #expect(pair.b.unwraps == 1)
        #expect(pair.b.messenger.counts.signatures == 0)
        #expect(pair.b.messenger.counts.receiptsSent == 0)
        #expect(pair.b.messenger.counts.acknowledgementsSent == 11)
        #expect(pair.a.messenger.counts.acknowledgementsVerified == 11)
        #expect(pair.a.messenger.counts.receiptsVerified == 0)
        #expect(pair.messages(from: 1, to: moki.id.address).isEmpty)
        #expect(pair.b.ledger.state.accepted.allSatisfy { !$0.isOwed })
        let sent = try #require(pair.published.first { $0.parcel.topic == .acknowledgements(moki.id.address) })
        #expect(!sent.parcel.topic.isRetained)
    }

    @Test("what is taken while no broker has room goes together, 64 at most, and before anything else")
    func together() throws {
        let pair = Pair.friends()
        pair.b.isSilent = true
        // One after the other, else they share messages.
        let tokens = (0..<150).map { number in
            defer { pair.settle() }
            return pair.send("\(number)")
        }
        pair.advance(9)
        let messages = pair.messages(from: 0, to: hulk.id.address).prefix(150)
        #expect(messages.count == 150)
        pair.b.isSilent = false
        pair.isAcknowledging = false
        for message in messages { pair.lay(message) }
        // The link has room for 20 that no broker acknowledged.
        #expect(
            pair.acknowledgements(from: 1, to: moki.id.address).map(\.digests.count) == .init(repeating: 1, count: 20))
        pair.isAcknowledging = true
        let waiting = pair.send("goes behind", from: 1)
        for sent in pair.published where sent.board == 1 {
            pair.feed(1, .acknowledged(sent.parcel.number, .taken))
        }
        pair.settle()
        let counts = pair.acknowledgements(from: 1, to: moki.id.address).dropFirst(20).map(\.digests.count)
        #expect(counts == [64, 64, 2])
        #expect(tokens.allSatisfy { pair.row($0)?.state == .delivered })
        #expect(pair.row(waiting, of: 1)?.state == .delivered)
        #expect(pair.b.ledger.state.accepted.allSatisfy { !$0.isOwed })
        #expect(pair.b.messenger.counts.signatures == 1)
    }

    @Test("one that a lost broker had goes again, and is owed until a broker took it")
    func lostLink() throws {
        let pair = Pair.friends()
        let token = pair.send("hello")
        while pair.b.inbox.isEmpty { pair.feedSome(1) }
        let number = try #require(pair.published.last).parcel.number
        #expect(pair.acknowledgements(from: 1, to: moki.id.address).count == 1)
        pair.unlink(1)
        #expect(pair.b.ledger.state.accepted.map(\.isOwed) == [true])
        pair.link(1)
        pair.settle()
        #expect(pair.acknowledgements(from: 1, to: moki.id.address).count == 2)
        #expect(try #require(pair.published.last { $0.board == 1 }).parcel.number > number)
        #expect(pair.b.ledger.state.accepted.map(\.isOwed) == [false])
        #expect(pair.b.messenger.counts.signatures == 0)
        #expect(pair.row(token)?.state == .delivered)
    }

    @Test("one that was owed when the power was cut is a signed receipt after the start")
    func owedAfterStart() throws {
        let pair = Pair.friends()
        pair.trouble.lost = 0
        let token = pair.send("hello")
        while pair.b.inbox.isEmpty { pair.feedSome(1) }
        pair.isSwallowing = true
        pair.restart(1)
        pair.settle()
        #expect(pair.row(token)?.state == .delivered)
        #expect(pair.b.messenger.counts.receiptsSent == 1)
        #expect(pair.b.texts == ["hello"])
    }

    @Test("where acknowledgements do not arrive the repeat is answered by a signed receipt")
    func swallowed() throws {
        let pair = Pair.friends()
        pair.isSwallowing = true
        let token = pair.send("hello")
        pair.settle()
        #expect(pair.row(token)?.state == .published)
        #expect(pair.b.messenger.counts.receiptsSent == 0)
        pair.advance(60)
        #expect(pair.row(token)?.state == .delivered)
        #expect(pair.b.messenger.counts.receiptsSent == 1)
        #expect(pair.b.texts == ["hello"])
    }

    @Test("a broker that refuses acknowledgements gets the signed receipt at once")
    func refused() throws {
        let pair = Pair.friends()
        pair.outcomeOfAcknowledgements = .refused("not authorised")
        let token = pair.send("hello")
        pair.settle()
        #expect(pair.row(token)?.state == .delivered)
        #expect(pair.b.messenger.counts.receiptsSent == 1)
        #expect(pair.b.ledger.state.accepted.map(\.isOwed) == [false])
    }

    @Test("a broker that ends the connection over one ends no delivery")
    func endsConnection() throws {
        let pair = Pair.friends()
        pair.endsConnection = { $0.topic == .acknowledgements(People.moki.id.address) }
        let token = pair.send("hello")
        pair.advance(200)
        #expect(pair.row(token)?.state == .delivered)
        #expect(pair.b.messenger.counts.receiptsSent > 0)
        #expect(pair.b.texts == ["hello"])
    }

    @Test("a peer whose visa says nothing of them gets signed receipts, also once it has lost them")
    func ability() throws {
        let pair = Pair.friends()
        pair.send("by acknowledgement")
        pair.settle()
        #expect(pair.acknowledgements(from: 1, to: moki.id.address).count == 1)
        try withoutAbility(pair)
        let token = pair.send("by receipt")
        pair.settle()
        #expect(pair.row(token)?.state == .delivered)
        #expect(pair.acknowledgements(from: 1, to: moki.id.address).count == 1)
        #expect(pair.b.messenger.counts.receiptsSent == 1)
    }

    private enum Reason: CaseIterable {
        case none, unnumbered, old, unsealed, unknowing
    }

    /// `unknowing`: its sender has not shown yet that it has the visa of the receiver, which a receipt brings along.
    @Test("what needs a signed receipt gets one", arguments: Reason.allCases)
    private func signed(because reason: Reason) throws {
        let pair = Pair.friends()
        var content = Content.text("x", sn: 4, time: Pair.start - (reason == .old ? 3601 : 0))
        if reason != .unnumbered { content.json["seq"] = ["s": "stream", "n": 1] }
        let visa = try moki.visa(time: moki.visa.time, isStock: reason == .unsealed)
        pair.b.befriend(moki, isCulver: reason != .unsealed, visa: reason == .unsealed ? visa : moki.visa)
        if reason == .unknowing {
            // The key is known, so that the message shows nothing of the visa.
            pair.send("before")
            pair.settle()
            pair.b.befriend(moki, knowsUs: false)
            pair.send("x")
            pair.settle()
        } else {
            pair.lay(
                try reason == .unsealed ? moki.stockMessage(content, to: hulk) : moki.sealedMessage(content, to: hulk))
        }
        #expect(pair.b.texts.last == "x")
        #expect(pair.b.messenger.counts.receiptsSent == (reason == .none ? 0 : 1))
        let isKnowing = reason == .none || reason == .unknowing
        #expect(pair.acknowledgements(from: 1, to: moki.id.address).count == (isKnowing ? 1 : 0))
        if reason == .unknowing {
            #expect(pair.messages(from: 1, to: moki.id.address).last?.visa != nil)
        }
    }

    @Test("what a peer acknowledged shows which visa it has: the present one rides along no more")
    func visa() throws {
        for isPresent in [true, false] {
            let pair = Pair.friends()
            pair.a.befriend(hulk, knowsUs: false)
            if !isPresent {
                // A visa that is too far ahead of the peer's clock is not taken.
                pair.a.book.state.identities[0].visa = try moki.visa(time: Pair.start + 1000)
            }
            pair.send("first")
            pair.send("second")
            pair.settle()
            pair.send("third")
            pair.settle()
            #expect(pair.a.ledger.state.outgoing.allSatisfy { $0.state == .delivered })
            let rides = pair.messages(from: 0, to: hulk.id.address).map { $0.visa != nil }
            #expect(rides == [true, true, !isPresent])
        }
    }

    @Test("of an expired message the receipt that was asked for is not forgotten")
    func expired() throws {
        for wantsSignedReceipt in [false, true] {
            let pair = Pair.friends()
            pair.trouble.lost = 1
            let token = pair.send("late", expiry: 5, wantsSignedReceipt: wantsSignedReceipt)
            pair.settle()
            let (digest, key) = try sealed(token, in: pair)
            pair.advance(6)
            #expect(pair.row(token)?.state == .expired)
            pair.lay(acknowledgement: try acknowledgement(of: [digest], from: hulk, to: moki, under: try .generate()))
            #expect(pair.row(token)?.state == .expired)
            pair.lay(acknowledgement: try acknowledgement(of: [digest], from: hulk, to: moki, under: key))
            #expect(pair.row(token)?.state == (wantsSignedReceipt ? .expired : .delivered))
        }
    }

    // MARK: - A signed receipt was asked for

    @Test("who asks for a signed receipt gets one, and the reader sees nothing of that")
    func asked() throws {
        let pair = Pair.friends()
        let token = pair.submit(
            .text, ["text": "hello", "receipt": "mine", "seq": ["receipt": "none"]], wantsSignedReceipt: true)
        pair.settle()
        #expect(pair.row(token)?.state == .delivered)
        #expect(pair.acknowledgements(from: 1, to: moki.id.address).isEmpty)
        #expect(pair.b.messenger.counts.receiptsSent == 1)
        #expect(pair.a.messenger.counts.receiptsVerified == 1)
        let content = try JSON(parsing: try #require(pair.b.inbox.first).content)
        #expect(content["receipt"] == "mine")
        #expect(content["seq"] == nil)
    }

    @Test("of several contents that share a message one is enough to ask for it")
    func askedInBatch() throws {
        for asks in [false, true] {
            let pair = Pair.friends()
            let contents = (1...3).map { number -> JSON in
                var content = Content.text("\(number)", sn: Int64(number), time: Pair.start)
                var sequence: JSONObject = ["s": "stream", "n": .integer(Int64(number))]
                if asks, number == 2 { sequence["receipt"] = "signed" }
                content.json["seq"] = .object(sequence)
                return .object(content.json)
            }
            let batch = Content(
                type: .array, sn: 9, time: Pair.start, ["batch": true, "contents": .array(contents)])
            pair.lay(try moki.sealedMessage(batch, to: hulk))
            #expect(pair.b.texts == ["1", "2", "3"])
            #expect(pair.b.messenger.counts.receiptsSent == (asks ? 1 : 0))
            #expect(pair.acknowledgements(from: 1, to: moki.id.address).count == (asks ? 0 : 1))
        }
    }

    @Test("an acknowledgement does not close a message whose receipt is to be signed")
    func notEnough() throws {
        let (pair, token) = try unanswered(wantsSignedReceipt: true)
        let (digest, key) = try sealed(token, in: pair)
        pair.lay(acknowledgement: try acknowledgement(of: [digest], from: hulk, to: moki, under: key))
        #expect(pair.row(token)?.state == .published)
        #expect(pair.a.rejections.map(\.stage) == [.content])
        pair.advance(30)
        #expect(pair.row(token)?.state == .delivered)
        #expect(pair.a.messenger.counts.receiptsVerified == 1)
    }

    @Test("a stock peer is asked for nothing, and a ref names another message when it asks for another receipt")
    func stock() throws {
        let pair = Pair.friends()
        pair.a.befriend(hulk, isCulver: false, visa: People.stockHulk)
        pair.b.befriend(moki, isCulver: false, visa: try moki.visa(time: People.time, isStock: true))
        pair.send("hello", ref: "r", wantsSignedReceipt: true)
        pair.settle()
        let message = try #require(pair.messages(from: 0, to: hulk.id.address).first)
        let shelf = try message.secure.decrypted(
            with: try message.secure.unwrapped(for: hulk.id, with: hulk.decryptionKeys).key)
        #expect(shelf.content.json["seq"] == nil)
        let second = pair.send("hello", ref: "r")
        guard case .refused(let refusal) = pair.a.answers[second] else {
            Issue.record("taken as the same message")
            return
        }
        #expect(refusal.reason == "ref-reused")
    }

    // MARK: - Attacked

    private enum Attack: String, CaseIterable {
        case forged, otherKey, otherDirection, otherPeer, ofAnotherPeer, forAnother, reflected, cut, merged, many
        case noTime, unknown, garbage
    }

    @Test("what is not said by the receiver of the message closes nothing", arguments: Attack.allCases)
    private func attacked(_ attack: Attack) throws {
        let (pair, token) = try unanswered()
        let (digest, key) = try sealed(token, in: pair)
        let other = pair.send("to carol", to: carol.id)
        pair.settle()
        let (otherDigest, otherKey) = try sealed(other, in: pair)
        let right = try acknowledgement(of: [digest], from: hulk, to: moki, under: key)
        let text = String(decoding: right, as: UTF8.self)
        let (wrong, stage): ([UInt8], Rejection.Stage) =
            switch attack {
            case .forged: (right.dropLast(9) + [right[right.count - 9] == 65 ? 66 : 65] + right.suffix(8), .signature)
            case .otherKey:
                (try acknowledgement(of: [digest], from: hulk, to: moki, under: try .generate()), .signature)
            case .otherDirection:
                (try acknowledgement(of: [digest], from: moki, to: hulk, under: key), .receiver)
            // carol says that hulk took it; and that she took what hulk was sent.
            case .otherPeer: (try acknowledgement(of: [digest], from: hulk, to: moki, under: otherKey), .signature)
            case .ofAnotherPeer:
                (try acknowledgement(of: [digest], from: carol, to: moki, under: otherKey), .content)
            case .forAnother:
                (Array(text.replacing(moki.id.address.text, with: carol.id.address.text).utf8), .receiver)
            // hulk's word about moki's message as moki's word about hulk's.
            case .reflected:
                (
                    Array(
                        text.replacing(moki.id.address.text, with: "-")
                            .replacing(hulk.id.address.text, with: moki.id.address.text)
                            .replacing("\"-\"", with: "\"\(moki.id.address.text)\"").utf8), .content
                )
            case .cut: (Array(right.prefix(right.count / 2)), .parse)
            case .merged:
                (
                    Array(
                        text.replacing(
                            Base64.encode(digest), with: Base64.encode(otherDigest) + "\",\"" + Base64.encode(digest)
                        ).utf8), .content
                )
            case .many:
                (
                    try acknowledgement(
                        of: [digest] + (0..<64).map { Digest.sha256([$0]) }, from: hulk, to: moki, under: key), .parse
                )
            case .noTime: (Array(text.replacing("\"at\":\(Int64(Pair.start))", with: "\"at\":\"now\"").utf8), .parse)
            case .unknown:
                (try acknowledgement(of: [Digest.sha256([])], from: hulk, to: moki, under: key), .content)
            case .garbage: (Array("{}".utf8), .parse)
            }
        #expect(wrong != right)
        pair.lay(acknowledgement: wrong)
        #expect(pair.row(token)?.state == .published)
        #expect(pair.row(other)?.state.isEnd == false)
        #expect(pair.a.rejections.map(\.stage) == [stage])
        #expect(pair.a.messenger.counts.rejected == [stage: 1])
        pair.lay(acknowledgement: right)
        #expect(pair.row(token)?.state == .delivered)
        #expect(pair.row(other)?.state.isEnd == false)
    }

    @Test("an acknowledgement of one message says nothing of another, sent before or after")
    func swapped() throws {
        let (pair, first) = try unanswered()
        pair.trouble.lost = 1
        let second = pair.send("second")
        pair.settle()
        pair.trouble.lost = 0
        let (digest, key) = try sealed(first, in: pair)
        let (otherDigest, otherKey) = try sealed(second, in: pair)
        #expect(key == otherKey)
        let right = try acknowledgement(of: [digest], from: hulk, to: moki, under: key)
        let swapped = String(decoding: right, as: UTF8.self)
            .replacing(Base64.encode(digest), with: Base64.encode(otherDigest))
        pair.lay(acknowledgement: Array(swapped.utf8))
        #expect(pair.row(second)?.state == .published)
        #expect(pair.a.rejections.map(\.stage) == [.signature])
        pair.lay(acknowledgement: right)
        pair.lay(acknowledgement: right)
        #expect(pair.row(first)?.state == .delivered)
        #expect(pair.row(second)?.state == .published)
        #expect(pair.a.messenger.counts.acknowledgementsVerified == 1)
        #expect(pair.a.messenger.counts.delivered == 1)
    }

    @Test("one that names messages under several keys closes those under its own")
    func severalKeys() throws {
        let (pair, first) = try unanswered()
        let (digest, key) = try sealed(first, in: pair)
        pair.a.book.state.sending = [:]
        pair.trouble.lost = 1
        let second = pair.send("under another key")
        pair.settle()
        let (otherDigest, otherKey) = try sealed(second, in: pair)
        #expect(key != otherKey)
        pair.lay(
            acknowledgement: try acknowledgement(of: [otherDigest, digest], from: hulk, to: moki, under: key))
        #expect(pair.row(first)?.state == .delivered)
        #expect(pair.row(second)?.state == .published)
        #expect(pair.a.rejections.map(\.stage) == [.signature])
    }

    @Test("a message that has ended stays as it is, whatever is shown again")
    func ended() throws {
        let (pair, token) = try unanswered()
        let (digest, key) = try sealed(token, in: pair)
        let right = try acknowledgement(of: [digest], from: hulk, to: moki, under: key)
        let id = try #require(pair.row(token)?.id)
        pair.feed(0, .cancelled(id: id, token: pair.a.newToken()))
        for _ in 0..<3 { pair.lay(acknowledgement: right) }
        #expect(pair.row(token)?.state == .cancelled)
        #expect(pair.a.messenger.counts.acknowledgementsVerified == 0)
    }

    @Test("a blocked contact closes nothing")
    func blocked() throws {
        let (pair, token) = try unanswered()
        let (digest, key) = try sealed(token, in: pair)
        pair.a.book.state.contacts[hulk.id.address]?.isBlocked = true
        pair.lay(acknowledgement: try acknowledgement(of: [digest], from: hulk, to: moki, under: key))
        #expect(pair.row(token)?.state == .published)
        #expect(pair.a.rejections.map(\.stage) == [.trust])
    }

    @Test("the copy for a member of a group is not closed: the members share the key")
    func group() throws {
        let (pair, token) = try unanswered()
        let (digest, key) = try sealed(token, in: pair)
        let number = try #require(pair.row(token)?.shipment)
        pair.a.ledger.state.shipments[number]?.group = carol.id
        pair.lay(acknowledgement: try acknowledgement(of: [digest], from: hulk, to: moki, under: key))
        #expect(pair.row(token)?.state == .published)
        #expect(pair.a.rejections.map(\.stage) == [.content])
    }

    @Test("one that names many inventions costs one look")
    func inventions() throws {
        let (pair, token) = try unanswered()
        let (digest, key) = try sealed(token, in: pair)
        let inventions = (0..<63).map { Digest.sha256([$0]) }
        // The true one behind them is not found; in front of them it is, and they do no harm.
        pair.lay(acknowledgement: try acknowledgement(of: inventions + [digest], from: hulk, to: moki, under: key))
        #expect(pair.row(token)?.state == .published)
        pair.lay(acknowledgement: try acknowledgement(of: [digest] + inventions, from: hulk, to: moki, under: key))
        #expect(pair.row(token)?.state == .delivered)
        #expect(pair.a.rejections.map(\.stage) == [.content, .content])
    }

    @Test("one that names much that it was not made for costs a few looks")
    func guesses() throws {
        let pair = Pair.friends()
        pair.b.isSilent = true
        let tokens = (0..<20).map { number in
            defer { pair.settle() }
            return pair.send("\(number)")
        }
        pair.b.isSilent = false
        let sent = try tokens.map { try sealed($0, in: pair) }
        let wrong = sent.dropLast().map(\.digest)
        let other = try #require(sent.last)
        // Each message gets a key of its own, so that only the last is named rightly.
        for token in tokens.dropLast() {
            let shipment = try #require(pair.row(token)?.shipment)
            pair.a.ledger.state.bodies[shipment]?.key = try SymmetricKey.generate().json().text
        }
        pair.lay(
            acknowledgement: try acknowledgement(of: wrong + [other.digest], from: hulk, to: moki, under: other.key))
        #expect(pair.row(tokens[19])?.state == .published)
        pair.lay(
            acknowledgement: try acknowledgement(of: [other.digest] + wrong, from: hulk, to: moki, under: other.key))
        #expect(tokens.map { pair.row($0)?.state == .delivered } == Array(repeating: false, count: 19) + [true])
    }
}
