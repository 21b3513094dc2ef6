import Testing
import Transport

@Suite("The address of a broker")
struct BrokerAddressTests {
    @Test(
        "a URL names the place, with the port that is usual",
        arguments: [
            ("mqtt://broker", BrokerAddress.Endpoint.network(host: "broker", port: 1883), false),
            ("mqtts://broker", .network(host: "broker", port: 8883), true),
            ("MQTT://broker.example:1884/", .network(host: "broker.example", port: 1884), false),
            ("mqtt://[::1]", .network(host: "::1", port: 1883), false),
            ("mqtts://[fe80::1%eth0]:99", .network(host: "fe80::1%eth0", port: 99), true),
            ("mqtt://192.168.1.2:65535", .network(host: "192.168.1.2", port: 65535), false),
            ("unix:///run/mosquitto.sock", .socket(path: "/run/mosquitto.sock"), false),
        ])
    func reads(_ url: String, _ place: BrokerAddress.Endpoint, _ isEncrypted: Bool) throws {
        let address = try BrokerAddress(url: url)
        #expect(address.place == place)
        #expect(address.isEncrypted == isEncrypted)
        #expect(try BrokerAddress(url: address.description) == address)
    }

    @Test(
        "what is no address is refused, with the reason",
        arguments: [
            ("", "begins with"), ("broker", "begins with"), ("tcp://broker", "no way"), ("mqtt:broker", "begins with"),
            ("mqtt://", "no host"), ("mqtt://:1883", "no host"), ("mqtt://broker:0", "no port"),
            ("mqtt://broker:65536", "no port"), ("mqtt://broker:+1", "no port"), ("mqtt://broker:", "no port"),
            ("mqtt://me:secret@broker", "do not belong"), ("mqtt://broker/path", "ends after"),
            ("mqtt://broker?x", "ends after"), ("mqtt://a b", "ends after"), ("mqtt://::1", "brackets"),
            ("mqtt://[::1", "not closed"), ("mqtt://[::1]x", "after the bracket"), ("mqtt://[broker]", "only an IPv6"),
            ("unix://run/x", "absolute"), ("unix:///" + String(repeating: "x", count: 107), "107"),
            ("mqtt://a\0b", "NUL"),
        ])
    func refuses(_ url: String, _ word: String) {
        do {
            Issue.record("taken for \(try BrokerAddress(url: url))")
        } catch {
            #expect(error.description.contains(word))
            #expect(!error.description.contains("secret"))
        }
    }
}
