import Testing
import Transport

@Suite("How many publications may be unacknowledged")
struct PublicationWindowTests {
    @Test(
        "as many as the broker says, 256 at the most; twenty where it cannot say",
        arguments: [(nil, 20), (1, 1), (20, 20), (100, 100), (65_535, 256), (0, 0)] as [(UInt16?, Int)])
    func capacity(_ maximum: UInt16?, _ room: Int) {
        var window = PublicationWindow(receiveMaximum: maximum)
        #expect(window.room == room)
        for token in 0..<Int32(room) {
            #expect(window.admits() == true)
            window.add(token)
        }
        #expect(window.room == 0)
        #expect(window.admits() == false)
    }

    @Test("an answer counts once, and only for what was published")
    func answers() {
        var window = PublicationWindow(receiveMaximum: 2)
        window.add(7)
        #expect(window.acknowledge(8) == false)
        #expect(window.acknowledge(7) == true)
        #expect(window.acknowledge(7) == false)
        #expect(window.room == 2)
    }

    @Test("room is told once, and only to an owner that met a full window or filled it")
    func roomAgain() {
        var window = PublicationWindow(receiveMaximum: 2)
        window.add(1)
        #expect(window.hasRoomAgain() == false)
        window.add(2)
        #expect(window.hasRoomAgain() == false)
        #expect(window.acknowledge(1) == true)
        #expect(window.hasRoomAgain() == true)
        #expect(window.hasRoomAgain() == false)
        window.add(3)
        #expect(window.admits() == false)
        for token: Int32 in 2...3 { #expect(window.acknowledge(token) == true) }
        #expect(window.hasRoomAgain() == true)
        #expect(window.hasRoomAgain() == false)
    }
}
