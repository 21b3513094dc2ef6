import Testing

@testable import Transport

@Suite("Which version of MQTT to offer")
struct VersionNegotiationTests {
    var negotiation = VersionNegotiation(offerAgainAfter: 100)

    @Test("MQTT 5 comes first, and stays while it is answered")
    mutating func first() {
        #expect(negotiation.version(at: 0) == .v5)
        negotiation.answered(.v5, at: 1)
        #expect(negotiation.version(at: 2) == .v5)
    }

    @Test("a broker that says no is offered 3.1.1 for a while, then MQTT 5 again")
    mutating func refusal() {
        negotiation.refused(.v5, at: 10)
        #expect(negotiation.version(at: 11) == .v311)
        negotiation.answered(.v311, at: 12)
        negotiation.unanswered(.v311)
        #expect(negotiation.version(at: 109) == .v311)
        #expect(negotiation.version(at: 110) == .v5)
    }

    @Test("one link that ends without an answer is no proof")
    mutating func doubt() {
        negotiation.unanswered(.v5)
        #expect(negotiation.version(at: 0) == .v311)
        negotiation.unanswered(.v311)
        #expect(negotiation.version(at: 0) == .v5)
    }

    @Test("a broker that has spoken MQTT 5 is silent three times before it is offered 3.1.1, and MQTT 5 soon again")
    mutating func hung() {
        negotiation = VersionNegotiation(offerAgainAfter: 86_400)
        negotiation.answered(.v5, at: 1)
        negotiation.unanswered(.v5)
        negotiation.unanswered(.v5)
        #expect(negotiation.version(at: 2) == .v5)
        negotiation.unanswered(.v5)
        #expect(negotiation.version(at: 3) == .v311)
        negotiation.answered(.v311, at: 4)
        #expect(negotiation.version(at: 603) == .v311)
        #expect(negotiation.version(at: 604) == .v5)
        // It says itself that it is another one now.
        negotiation.refused(.v5, at: 700)
        #expect(!negotiation.speaksFive)
        #expect(negotiation.version(at: 700 + 86_399) == .v311)
    }

    @Test("what an earlier start has learnt holds for as long as it was meant to")
    mutating func remembered() {
        var knowledge = BrokerKnowledge()
        knowledge.olderUntil = 50
        negotiation = VersionNegotiation(offerAgainAfter: 100, knowing: knowledge)
        #expect(negotiation.version(at: 49) == .v311)
        #expect(negotiation.version(at: 50) == .v5)
        knowledge = BrokerKnowledge()
        knowledge.speaksFive = true
        negotiation = VersionNegotiation(offerAgainAfter: 100, knowing: knowledge)
        negotiation.unanswered(.v5)
        #expect(negotiation.version(at: 0) == .v5)
    }

    @Test("3.1.1 answered after MQTT 5 was not: that is remembered")
    mutating func confirmed() {
        negotiation.unanswered(.v5)
        negotiation.answered(.v311, at: 5)
        #expect(negotiation.version(at: 104) == .v311)
        #expect(negotiation.version(at: 105) == .v5)
    }
}
