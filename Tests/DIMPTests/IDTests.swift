import DIMP
import Format
import Testing

@Suite("IDs and addresses")
struct IDTests {
    private static let moki = "moki@4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekk"
    private static let address = "4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekk"

    @Test("are equal when name and address are, whatever the terminal")
    func equality() throws {
        let id = try #require(ID(Self.moki))
        let desk = try #require(ID(Self.moki + "/home/desk"))
        #expect(
            id == desk && id.hashValue == desk.hashValue && desk.terminal == "home/desk" && desk.bare.text == Self.moki)
        #expect(
            ID("hulk@" + Self.address) != id && ID(Self.address) != id && ID("@" + Self.address) == ID(Self.address))
        #expect(ID("Moki@" + Self.address) != id)
        #expect(ID("\u{E9}@" + Self.address) != ID("e\u{301}@" + Self.address))
    }

    @Test("an address that was read before is not taken for another text that means the same to Unicode")
    func addressesByBytes() throws {
        let short = (0..<255).lazy.map { Address.btc(network: 0, of: [$0]).text }.first {
            $0.utf8.count <= 33 && $0.contains("K")
        }
        let text = try #require(short)
        let kelvin = text.replacing("K", with: "\u{212A}", maxReplacements: 1)
        #expect(kelvin == text && kelvin.utf8.count <= 35)
        #expect(Address(text)?.text == text)
        #expect(Address(text)?.text == text)
        #expect(Address(kelvin) == nil)
    }

    @Test("names may hold what MQTT and shells find hostile")
    func names() throws {
        for name in [
            "+", "#", "a b", "../..", "ключ", "😀", "a'\"$(x)", "a\u{200B}b", String(repeating: "x", count: 900),
        ] {
            // A slash would begin the terminal.
            let text = name.replacing("/", with: "|") + "@" + Self.address
            #expect(try #require(ID(text)).text == text)
        }
    }

    @Test(
        "what is no ID is none",
        arguments: [
            "", "@", "/", "moki", "moki@", "@/x", "moki@@" + address, "a@b@" + address, address + "@moki", " " + moki,
            moki + " ", moki + "\n", "mo\nki@" + address, "mo\0ki@" + address, "moki @" + address, moki + "/a\0",
            "moki@4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekl", "moki@4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXek", "moki@1" + address,
            "moki@4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekk=", "moki@" + address.lowercased(),
            String(repeating: "x", count: 2000) + "@" + address,
            "anyone@anywhere2", "a@nowhere", "0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
            "x@\u{FF41}nywhere", "everyone@everywhe\u{0433}e",
        ])
    func refused(_ text: String) {
        #expect(ID(text) == nil)
    }

    @Test(
        "ETH addresses are read in the spelling of EIP-55",
        arguments: [
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB", "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
            "0x52908400098527886E0F7030069857D2E4169EE7", "0xde709f2102306220921060314715629080e2fb77",
        ])
    func eth(_ text: String) throws {
        let id = try #require(ID(text))
        #expect(id.address.kind == .eth && id.name == nil && id.address.type == .user && !id.isGroup && !id.isBroadcast)
        #expect(id.address.number == nil)
    }

    @Test("only the two literal addresses are broadcast, in any case and never by the network byte")
    func broadcast() throws {
        #expect(ID.anyone.isBroadcast && !ID.anyone.isGroup && ID.everyone.isBroadcast && ID.everyone.isGroup)
        #expect(ID("Anyone@ANYWHERE")?.address == .anywhere && ID("everywhere")?.isBroadcast == true)
        for network in UInt8.min...UInt8.max {
            let address = Address.btc(network: network, of: [1, 2, 3])
            #expect(!address.isBroadcast)
            #expect(Address(address.text) == address)
        }
    }

    @Test("the network byte says what an entity is, in the words of 2019 and of today")
    func types() {
        let types: [UInt8: EntityType] = [
            0: .user, 8: .user, 1: .group, 16: .group, 48: .group, 2: .station, 136: .station, 4: .bot, 200: .bot,
            128: .device, 3: .provider, 118: .provider,
        ]
        for (network, type) in types {
            let address = Address.btc(network: network, of: [9])
            #expect(address.type == type)
            if type == .user || type == .group { #expect(address.isGroup == (type == .group)) }
        }
        for type in EntityType.allCases {
            for era in [EntityType.Era.today, .year2019] {
                if let network = type.network(era) { #expect(EntityType(network: network) == type) }
            }
        }
        #expect(EntityType.device.network(.today) == nil)
    }

    @Test("a meta of one network vouches for the same key on another, and for no other name")
    func vouching() throws {
        let scene = try Scene()
        let meta = scene.alice.meta
        for network in [0, 8, 1, 16, 136] as [UInt8] {
            let id = try #require(meta.id(network: network))
            #expect(meta.vouches(for: id) && id.name == "alice")
            #expect(!meta.vouches(for: ID(name: "bob", address: id.address)))
            #expect(!meta.vouches(for: ID(name: nil, address: id.address)))
            #expect(!scene.bob.meta.vouches(for: id))
        }
        #expect(!meta.vouches(for: .anyone) && !meta.vouches(for: .everyone))
    }

    @Test("the type of a meta is read as number, digits or word, and never guessed")
    func metaTypes() throws {
        let scene = try Scene()
        for type in [1, "1", "MKM", "mkm", 1.0] as [JSON] {
            var json = scene.alice.meta.json
            json["version"] = nil
            json["type"] = type
            let meta = try Meta(.object(json))
            #expect(meta.vouches(for: scene.alice.id) && meta.json["type"] == type && meta.json["version"] == 1)
        }
        for type in [0, 2, 4, 9, "x", "", true, nil, 1.5, "0x1", []] as [JSON] {
            var json = scene.alice.meta.json
            json["version"] = nil
            json["type"] = type
            #expect(try stage { try Meta(.object(json)) } == .meta, "\(type)")
        }
    }
}
