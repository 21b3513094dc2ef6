import Testing

@testable import Transport

@Suite("Which version of MQTT to offer")
struct DialectTests {
    var dialect = VersionNegotiation(offerAgainAfter: 100)

    @Test("MQTT 5 comes first, and stays while it is answered")
    mutating func first() {
        #expect(dialect.version(at: 0) == .v5)
        dialect.answered(.v5, at: 1)
        #expect(dialect.version(at: 2) == .v5)
    }

    @Test("a broker that says no is offered 3.1.1 for a while, then MQTT 5 again")
    mutating func refusal() {
        dialect.refused(.v5, at: 10)
        #expect(dialect.version(at: 11) == .v311)
        dialect.answered(.v311, at: 12)
        dialect.unanswered(.v311)
        #expect(dialect.version(at: 109) == .v311)
        #expect(dialect.version(at: 110) == .v5)
    }

    @Test("one link that ends without an answer is no proof")
    mutating func doubt() {
        dialect.unanswered(.v5)
        #expect(dialect.version(at: 0) == .v311)
        dialect.unanswered(.v311)
        #expect(dialect.version(at: 0) == .v5)
    }

    @Test("3.1.1 answered after MQTT 5 was not: that is remembered")
    mutating func confirmed() {
        dialect.unanswered(.v5)
        dialect.answered(.v311, at: 5)
        #expect(dialect.version(at: 104) == .v311)
        #expect(dialect.version(at: 105) == .v5)
    }
}
