import Testing
import Transport

@Suite("How to reach a broker")
struct BrokerOptionsTests {
    @Test("the password shows in no description")
    func secret() throws {
        var options = try BrokerOptions("mqtt://broker", "a")
        options.username = "alice"
        options.password = [77, 78, 79]
        var dumped = ""
        dump(options, to: &dumped)
        for text in ["\(options)", String(reflecting: options), dumped] {
            #expect(!text.contains("77"))
            #expect(text.contains("mqtt://broker:1883"))
        }
    }
}
