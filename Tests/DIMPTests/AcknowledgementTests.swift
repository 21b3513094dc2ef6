import Crypto
import DIMP
import Format
import Testing

@Suite("Acknowledgements")
struct AcknowledgementTests {
    private let key = SymmetricKey.aes(key: SecretBytes(Array(0..<32)), iv: nil)
    private let otherKey = SymmetricKey.aes(key: SecretBytes(Array(1..<33)), iv: nil)
    private let digests = [
        Digest.sha256(Array("first ciphertext".utf8)), Digest.sha256(Array("second ciphertext".utf8)),
    ]

    /// The example of extensions.md 5, made by Python 3:
    ///
    ///     info = b"culver ack " + sender + b" " + receiver
    ///     prk = hmac.new(bytes(32), bytes(range(32)), "sha256").digest()
    ///     key = hmac.new(prk, info + b"\x01", "sha256").digest()
    ///     mac = base64.b64encode(hmac.new(key, text_before_the_comma_before_mac, "sha256").digest())
    private let example = """
        {"v":1,"from":"1HufnkADajevJUWAXNFTbHxNxFHQC7hnpx","to":"12PqqF8eHFwfb1fs8My3bxzqQyGXXCQQRM","at":1760000000,\
        "digests":["TjU9EhCO/XbrM/WqrciaYYBeLbb4F0hMHzOcp5wtkCs=","SXYkmYB/Rllcb0prcuIvotMyNSYmCcgv0Lu+MhLJnTo="],\
        "mac":"DPLFkyhswfeE4VoQEfzLB2WDhjVBQm9A1QFrS0i0X1Y="}
        """

    private func made(of digests: [[UInt8]], at time: Double = 1_760_000_000) throws -> Acknowledgement {
        let from = try #require(Address("1HufnkADajevJUWAXNFTbHxNxFHQC7hnpx"))
        let to = try #require(Address("12PqqF8eHFwfb1fs8My3bxzqQyGXXCQQRM"))
        return try #require(Acknowledgement(of: digests, from: from, to: to, at: time, under: key))
    }

    /// With a right mac for whatever stands before it.
    private func text(_ members: String) -> [UInt8] {
        let key = HKDF.sha256(
            SecretBytes(Array(0..<32)),
            info: Array("culver ack 1HufnkADajevJUWAXNFTbHxNxFHQC7hnpx 12PqqF8eHFwfb1fs8My3bxzqQyGXXCQQRM".utf8))
        let head = Array("{\(members)".utf8)
        return head + Array(",\"mac\":\"\(Base64.encode(HMAC.sha256(head, key: key)))\"}".utf8)
    }

    @Test("one is written, and read, as another implementation makes it")
    func vector() throws {
        #expect(try made(of: digests).bytes == Array(example.utf8))
        let read = try Acknowledgement(parsing: Array(example.utf8))
        #expect(read.from.text == "1HufnkADajevJUWAXNFTbHxNxFHQC7hnpx")
        #expect(read.to.text == "12PqqF8eHFwfb1fs8My3bxzqQyGXXCQQRM")
        #expect(read.time == 1_760_000_000)
        #expect(read.digests == digests)
        #expect(read.isMade(with: key))
        #expect(!read.isMade(with: otherKey))
        #expect(!read.isMade(with: .plain))
    }

    @Test("no byte of it can be another")
    func altered() {
        let right = Array(example.utf8)
        for index in right.indices {
            for bit in [UInt8(1), 2, 0x20] {
                var wrong = right
                wrong[index] ^= bit
                let isTaken = (try? Acknowledgement(parsing: wrong))?.isMade(with: key)
                // The last character of the mac holds four bits that no byte has.
                let isPadding = index == right.count - 4
                #expect(isTaken != true || isPadding, "\(String(decoding: wrong, as: UTF8.self))")
            }
        }
        for count in right.indices {
            #expect((try? Acknowledgement(parsing: Array(right.prefix(count)))) == nil)
        }
    }

    @Test("as many digests as fit are read, one more is refused, and so is none")
    func bounds() throws {
        let many = (0..<65).map { Digest.sha256([UInt8($0)]) }
        let most = try made(of: Array(many.prefix(64)), at: 99_999_999_999)
        #expect(most.bytes.count <= ProtocolLimits.acknowledgementBytes)
        #expect(try Acknowledgement(parsing: most.bytes).isMade(with: key))
        for wrong in [many, []] {
            let bytes = try made(of: wrong).bytes
            #expect(throws: Rejection.self) { try Acknowledgement(parsing: bytes) }
        }
        let long = Array(example.utf8.prefix(1)) + [UInt8](repeating: UInt8(ascii: " "), count: 4096)
        #expect(throws: Rejection.self) { try Acknowledgement(parsing: long + Array(example.utf8.dropFirst())) }
    }

    @Test(
        "what is none is refused, whoever made it",
        arguments: [
            #""v":2,FROM,TO,"at":1,DIGESTS"#, #""v":"1",FROM,TO,"at":1,DIGESTS"#, #"FROM,TO,"at":1,DIGESTS"#,
            #""v":1,TO,"at":1,DIGESTS"#, #""v":1,FROM,"at":1,DIGESTS"#, #""v":1,"from":7,TO,"at":1,DIGESTS"#,
            #""v":1,"from":"1HufnkADajevJUWAXNFTbHxNxFHQC7hnpy",TO,"at":1,DIGESTS"#,
            #""v":1,FROM,"to":["12PqqF8eHFwfb1fs8My3bxzqQyGXXCQQRM"],"at":1,DIGESTS"#,
            #""v":1,FROM,TO,DIGESTS"#, #""v":1,FROM,TO,"at":"1",DIGESTS"#, #""v":1,FROM,TO,"at":null,DIGESTS"#,
            #""v":1,FROM,TO,"at":{},DIGESTS"#, #""v":1,FROM,TO,"at":[1],DIGESTS"#, #""v":1,FROM,TO,"at":true,DIGESTS"#,
            #""v":1,FROM,TO,"at":1e999,DIGESTS"#, #""v":1,FROM,TO,"at":-1,DIGESTS"#, #""v":1,FROM,TO,"at":1"#,
            #""v":1,FROM,TO,"at":1,"digests":"""#,
            #""v":1,FROM,TO,"at":1,"digests":{"a":1}"#, #""v":1,FROM,TO,"at":1,"digests":[1]"#,
            #""v":1,FROM,TO,"at":1,"digests":["AAAA"]"#, #""v":1,FROM,TO,"at":1,"digests":[DIGEST,DIGEST]"#,
            #""v":1,FROM,TO,"at":1,"digests":[DIGEST,null]"#, #""v":1,"v":1,FROM,TO,"at":1,DIGESTS"#,
            #""v":1,FROM,TO,"at":1,DIGESTS,"mac":"""#, #""v":1,FROM,TO,"at":1,DIGESTS,"x":[[[[[]]]]]"#,
            #""v":1,FROM,TO,"at":1,DIGESTS} {"v":1"#, #""v":1,FROM,TO,"at":1,DIGESTS,"x":{"a":1"#,
        ])
    func wrong(members: String) {
        let digest = "\"TjU9EhCO/XbrM/WqrciaYYBeLbb4F0hMHzOcp5wtkCs=\""
        var text = ""
        for part in members.split(separator: ",", omittingEmptySubsequences: false) {
            let full =
                switch part {
                case "FROM": "\"from\":\"1HufnkADajevJUWAXNFTbHxNxFHQC7hnpx\""
                case "TO": "\"to\":\"12PqqF8eHFwfb1fs8My3bxzqQyGXXCQQRM\""
                default:
                    String(part).replacing("DIGESTS", with: "\"digests\":[\(digest)]").replacing("DIGEST", with: digest)
                }
            text += (text.isEmpty ? "" : ",") + full
        }
        #expect(throws: Rejection.self) { try Acknowledgement(parsing: self.text(text)) }
    }

    @Test("any number of seconds is a time, and members of a later version do no harm")
    func tolerated() throws {
        for at in ["0", "1.5", "1e11"] {
            let bytes = text(
                "\"v\":1,\"new\":{},\"from\":\"1HufnkADajevJUWAXNFTbHxNxFHQC7hnpx\","
                    + "\"to\":\"12PqqF8eHFwfb1fs8My3bxzqQyGXXCQQRM\",\"at\":\(at),"
                    + "\"digests\":[\"TjU9EhCO/XbrM/WqrciaYYBeLbb4F0hMHzOcp5wtkCs=\"]")
            #expect(try Acknowledgement(parsing: bytes).isMade(with: key), "\(at)")
        }
    }
}
