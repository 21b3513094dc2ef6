import Crypto
import DIMP
import Format
import Testing

@Suite("The form that every era reads")
struct UniversalFormTests {
    private let scene: Scene

    init() throws {
        scene = try Scene()
    }

    @Test("an envelope has full names, whole seconds, a numeric type, key and keys, and the IV")
    func envelope() throws {
        let json = try JSON(parsing: scene.packed(to: scene.bob.id, attach: true).json.bytes)
        let names: Set = [
            "sender", "receiver", "time", "type", "data", "key", "keys", "IV", "signature", "meta", "visa",
        ]
        #expect(Set(json.object?.names ?? []) == names)
        #expect(json["time"] == .integer(1_750_000_000))
        #expect(json["type"] == .integer(1))
        #expect(json["keys"]?.object?.names == [scene.bob.id.text])
        #expect(json["keys"]?[scene.bob.id.text] == json["key"])
        #expect(json["sender"]?.string == scene.alice.id.text && json["receiver"]?.string == scene.bob.id.text)
        #expect(json["IV"]?.string.flatMap(Base64.decode)?.count == 16)
        guard case .integer? = json["time"], case .integer? = json["type"] else {
            return #expect(Bool(false), "a fraction")
        }
    }

    @Test("the wrapped key has the IV too, in an order and a size that a key of 1024 bits can hold")
    func wrappedKey() throws {
        let message = try scene.packed(to: scene.carol.id)
        let wrapped = try #require(message.secure.keys.first).bytes
        let secret = try #require(scene.carol.decryptionKeys.first)
        let text = try secret.decrypt(wrapped).revealed
        #expect(text.count <= 117)
        let key = try JSON(parsing: text)
        #expect(key.object?.names == ["algorithm", "data", "iv"])
        #expect(key["algorithm"] == "AES")
        #expect(key["data"]?.string.flatMap(Base64.decode)?.count == 32)
        #expect(key["iv"]?.string.flatMap(Base64.decode) == message.secure.iv)
    }

    @Test("for a key of 2048 bits the wrapped key names its sender")
    func wrappedKeyWithSender() throws {
        let wrapped = try #require(scene.packed(to: scene.bob.id).secure.keys.first).bytes
        let key = try JSON(parsing: #require(scene.bob.decryptionKeys.first).decrypt(wrapped).revealed)
        #expect(key.object?.names == ["algorithm", "data", "iv", "from"])
        #expect(key["from"]?.string == scene.alice.id.address.text)
    }

    @Test("a content has a numeric type, sn and time, and no short names")
    func content() throws {
        let opened = try scene.transceiver.verifyDecrypt(scene.packed(to: scene.bob.id), as: scene.bob)
        let json = try JSON(parsing: JSON.object(opened.message.content.json).bytes)
        #expect(json.object?.names == ["type", "sn", "time", "text", "seal"])
        for name in ["type", "sn", "time"] {
            guard case .integer? = json[name] else { return #expect(Bool(false), "\(name) is no whole number") }
        }
        let group = try scene.transceiver.verifyDecrypt(scene.packed(to: scene.group), as: scene.bob)
        #expect(group.message.content.json["group"]?.string == scene.group.text)
    }

    @Test("a broadcast has its text in the clear, and neither key nor IV")
    func broadcast() throws {
        let json = try JSON(parsing: scene.packed(to: .everyone).json.bytes)
        #expect(json["key"] == nil && json["keys"] == nil && json["IV"] == nil)
        let content = try JSON(parsing: #require(json["data"]?.string))
        #expect(content["text"] == "Hello world!" && content["type"] == .integer(1))
        #expect(json["group"] == "everyone@everywhere")
        let signature = try #require(json["signature"]?.string.flatMap(Base64.decode))
        #expect(scene.alice.meta.key.verifies(signature, of: Array(try #require(json["data"]?.string).utf8)))
    }

    @Test("a meta has type and version as numbers")
    func meta() throws {
        for (identity, kind) in [(scene.alice, 1), (scene.dora, 1)] as [(Identity, Int64)] {
            let json = JSON.object(identity.meta.json)
            #expect(json["type"] == .integer(kind) && json["version"] == .integer(kind))
            #expect(try Meta(json).vouches(for: identity.id))
        }
        let eth = try Meta(seed: nil, signedBy: scene.dora.secret)
        #expect(eth.json["type"] == 4 && eth.json["version"] == 4)
        #expect(eth.json["seed"] == nil && eth.json["fingerprint"] == nil)
        let id = try #require(eth.id(network: 0))
        #expect(id.name == nil && id.address.kind == .eth)
        #expect(try Meta(.object(eth.json)).vouches(for: id))
    }

    @Test("the RSA key in a visa says how long it is, for JavaScript, and the one in a meta does not")
    func keySize() throws {
        for (identity, size) in [(scene.alice, 256), (scene.carol, 128), (scene.dora, 128)] as [(Identity, Int64)] {
            #expect(identity.visa.properties["key"]?["keySize"] == .integer(size))
            #expect(identity.visa.key == identity.visaKeys.first?.publicKey)
            #expect(identity.meta.json["key"]?["keySize"] == nil)
        }
        #expect(try scene.carol.rotated(time: People.now + 9).visa.properties["key"]?["keySize"] == 128)
    }

    @Test("an ECC key is written as the 130 digits of its point, which is all that some read")
    func eccKey() throws {
        let key = try #require(scene.dora.meta.json["key"])
        let text = try #require(key["data"]?.string)
        #expect(key["algorithm"] == "ECC" && text.utf8.count == 130 && text.hasPrefix("04"))
        #expect(try PublicKey(key) == scene.dora.secret.publicKey)
        // Files keep the form that every DIMP tool reads.
        #expect(scene.dora.secret.json["data"]?.string?.contains("PRIVATE KEY") == true)
    }

    @Test(
        "an ECC key is compressed if it says so by any true value",
        arguments: [
            (true, true), (1, true), ("1", true), ("true", true), ("Yes", true), (false, false), (0, false),
            ("0", false),
            ("no", false), (nil, false), ([], false),
        ] as [(JSON, Bool)])
    func compressed(value: JSON, isCompressed: Bool) throws {
        var key = try #require(scene.dora.meta.json["key"]?.object)
        key["compressed"] = value
        #expect(try PublicKey(.object(key)).data.count == (isCompressed ? 33 : 65))
    }

    @Test("a document has did and ID, and its data too")
    func document() throws {
        let visa = scene.alice.visa
        let name = JSON.string(scene.alice.id.text)
        #expect(Set(visa.json.names) == ["type", "did", "ID", "data", "signature"])
        #expect(visa.json["did"] == name && visa.json["ID"] == name && visa.json["type"] == "visa")
        #expect(visa.properties["did"] == name && visa.properties["ID"] == name)
        #expect(visa.isOfCulver && visa.time == People.now)
        let read = try Document(JSON(parsing: JSON.object(visa.json).bytes))
        try read.check(about: scene.alice.id, meta: scene.alice.meta)
        #expect(read.key == scene.alice.visaKeys.first?.publicKey)
    }

    @Test("commands are written in the words of every era")
    func commands() throws {
        let query = Content.metaCommand(about: scene.bob.id, meta: nil, sn: 1, time: 2.5)
        #expect(query.json["did"] == query.json["ID"] && query.json["did"]?.string == scene.bob.id.text)
        #expect(query.json["command"] == "meta" && query.json["cmd"] == "meta")
        #expect(query.body == .command(.meta(scene.bob.id, meta: nil)))
        #expect(query.json["time"] == .integer(2) && query.json["type"] == 136)
        let hello = Content.handshake("DIM!", sn: 1, time: 2)
        #expect(hello.json["title"] == "DIM!" && hello.json["message"] == "DIM!")
        let visa = JSON.object(scene.bob.visa.json)
        for name in ["document", "documents"] {
            let answer = Content.documentCommand(
                name, about: scene.bob.id, document: scene.bob.visa, meta: scene.bob.meta, sn: 1, time: 2)
            #expect(answer.json["document"] == visa && answer.json["documents"] == [visa])
            let meta = JSON.object(scene.bob.meta.json)
            #expect(answer.body == .command(.documents(scene.bob.id, documents: [visa], meta: meta, since: nil)))
        }
    }
}
