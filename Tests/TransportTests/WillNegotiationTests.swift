import Testing

@testable import Transport

@Suite("Whether to offer a will")
struct WillNegotiationTests {
    var wills = WillNegotiation(offerAgainAfter: 1000)

    @Test(
        "a broker that does not retain says so, and is offered a will again later", arguments: [0x9a, 0x9b] as [UInt8])
    mutating func said(code: UInt8) {
        #expect(wills.isOffered(at: 0))
        wills.refused(code, withWill: true, at: 0)
        #expect(!wills.isOffered(at: 1))
        wills.accepted(withWill: false, at: 1)
        #expect(!wills.isOffered(at: 999))
        #expect(wills.isOffered(at: 1000))
    }

    @Test("one that may mean the will or us is asked once without", arguments: [0x87, 5, 0x90, 0x95] as [UInt8])
    mutating func doubt(code: UInt8) {
        wills.refused(code, withWill: true, at: 0)
        #expect(!wills.isOffered(at: 1))
        wills.refused(code, withWill: false, at: 1)
        #expect(wills.isOffered(at: 2))
        wills.refused(code, withWill: true, at: 2)
        wills.accepted(withWill: false, at: 3)
        #expect(!wills.isOffered(at: 1002))
    }

    @Test("what is no matter of the will changes nothing", arguments: [0x84, 0x85, 0x86, 0x88, 1, 2, 3, 4] as [UInt8])
    mutating func other(code: UInt8) {
        wills.refused(code, withWill: true, at: 0)
        #expect(wills.isOffered(at: 1))
    }

    @Test("after two silences both versions are tried without a will")
    mutating func silent() {
        wills.unanswered(withWill: true)
        #expect(wills.isOffered(at: 0))
        wills.unanswered(withWill: true)
        #expect(!wills.isOffered(at: 0))
        wills.unanswered(withWill: false)
        #expect(!wills.isOffered(at: 0))
        wills.unanswered(withWill: false)
        #expect(wills.isOffered(at: 0))
    }
}
