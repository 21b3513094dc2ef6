import DIMP
import Format
import Testing

@testable import Store

@Suite("visas of devices")
struct DeviceVisaTests {
    private let scratch: Scratch
    private let state: StateDirectory
    private let phone: Identity

    init() throws {
        scratch = try Scratch()
        state = try StateDirectory(scratch.directory + "/state")
        phone = try Identity.register(name: "phone", network: 0, algorithm: .rsa, bits: 1024, time: 1_700_000_000)
    }

    private func visa(_ terminal: String?, _ time: Double) throws -> Document {
        var properties: JSONObject = ["key": phone.secret.publicKey.json]
        properties["terminal"] = terminal.map { .string($0) }
        return try Document(kind: "visa", about: phone.id, properties: properties, time: time, signedBy: phone.secret)
    }

    @Test("the newest visa of each device is kept on disk, the one for no device first, and eight of them")
    func devices() throws {
        var facebook = try Facebook(state, time: 1)
        facebook.put(Contact(id: phone.id, trust: .contact))
        facebook.put(phone.meta, of: phone.id)
        func put(_ terminal: String?, _ time: Double) throws {
            facebook.put(try visa(terminal, time), of: phone.id)
            for change in facebook.takeChanges() { try state.perform(change) }
            let before = times(facebook)
            facebook = try Facebook(state, time: 1)
            #expect(times(facebook) == before)
        }
        try put("a", 5)
        #expect(times(facebook) == [5])
        try put("b", 7)
        #expect(times(facebook) == [7, 5])
        try put("a", 9)
        #expect(times(facebook) == [9, 7])
        try put(nil, 3)
        #expect(times(facebook) == [3, 9, 7])
        for number in 10..<20 { try put("c\(number)", Double(number)) }
        #expect(times(facebook) == [3, 19, 18, 17, 16, 15, 14, 13])
    }

    /// Of what counts where one visa is wanted, then of the others.
    private func times(_ facebook: Facebook) -> [Double] {
        ([facebook.visa(of: phone.id)].compactMap { $0 } + facebook.deviceVisas(of: phone.id)).map(\.time)
    }
}
