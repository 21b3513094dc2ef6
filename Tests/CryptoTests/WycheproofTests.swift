import Format
import Foundation
import Testing

@testable import Crypto
@testable import Selftest

/// Every vector of every Wycheproof file that concerns what we use, from the files of the test environment and from
/// the fuller set where there is one.
@Suite("Wycheproof")
struct WycheproofTests {
    /// Left out: files for other hashes, curves, paddings, and `…_bitcoin`, whose rule of low S we do not have.
    private static let checks: [String: @Sendable (JSON, JSON) throws -> Bool] = [
        "aes_cbc_pkcs5_test.json": aes,
        "ecdsa_secp256k1_sha256_test.json": ecdsa,
        "rsa_pkcs1_1024_sig_gen_test.json": rsaSignatureOfOurs,
        "rsa_pkcs1_1536_sig_gen_test.json": rsaSignatureOfOurs,
        "rsa_pkcs1_2048_sig_gen_test.json": rsaSignatureOfOurs,
        "rsa_pkcs1_3072_sig_gen_test.json": rsaSignatureOfOurs,
        "rsa_pkcs1_4096_sig_gen_test.json": rsaSignatureOfOurs,
        "rsa_pkcs1_2048_test.json": rsaDecryption,
        "rsa_pkcs1_3072_test.json": rsaDecryption,
        "rsa_pkcs1_4096_test.json": rsaDecryption,
        "rsa_signature_2048_sha256_test.json": rsaSignature,
        "rsa_signature_3072_sha256_test.json": rsaSignature,
        "rsa_signature_4096_sha256_test.json": rsaSignature,
    ]

    @Test("every vector agrees, or is listed with the reason")
    func all() throws {
        let files = try Self.files()
        for file in files {
            try Self.run(file)
        }
    }

    /// The files of ours below the two directories, those with the same bytes once.
    private static func files() throws -> [URL] {
        let environment = ProcessInfo.processInfo.environment
        let roots = ["CULVER_WYCHEPROOF_BASE", "CULVER_WYCHEPROOF"].compactMap { environment[$0] }
        try #require(
            !roots.isEmpty,
            "no Wycheproof vectors: neither CULVER_WYCHEPROOF_BASE nor CULVER_WYCHEPROOF is set; run `make test`")
        var found: [URL] = []
        for root in roots {
            let paths = FileManager.default.enumerator(atPath: root)?.compactMap { $0 as? String } ?? []
            let ours = paths.filter { checks[($0 as NSString).lastPathComponent] != nil }.sorted()
            try #require(!ours.isEmpty, "no Wycheproof vectors in \(root); run `make test`")
            for url in ours.map({ URL(fileURLWithPath: root).appendingPathComponent($0) })
            where !found.contains(where: { isSame($0, url) }) {
                found.append(url)
            }
        }
        return found
    }

    private static func isSame(_ one: URL, _ other: URL) -> Bool {
        one.lastPathComponent == other.lastPathComponent
            && FileManager.default.contentsEqual(atPath: one.path, andPath: other.path)
    }

    private static func run(_ file: URL) throws {
        let name = file.lastPathComponent
        let check = try #require(checks[name])
        let differences = WycheproofDifferences.listed[name] ?? [:]
        let json = try JSON(
            parsing: [UInt8](Data(contentsOf: file)), limits: JSONLimits(depth: 32, values: 1_000_000))
        var agreed = 0
        var listed: Set<Int> = []
        var wrong: [String] = []
        for group in try #require(json["testGroups"]?.array) {
            for vector in try #require(group["tests"]?.array) {
                let id = Int(try #require(vector["tcId"]?.integer))
                let agrees = try check(group, vector)
                switch (agrees, differences[id] != nil) {
                case (true, false): agreed += 1
                case (false, true): listed.insert(id)
                case (true, true): wrong.append("\(name) \(id): listed, but agrees")
                case (false, false):
                    wrong.append("\(name) \(id): \(try vector.text("comment")) \(try vector.text("result"))")
                }
            }
        }
        print("wycheproof: \(name): \(agreed) agreed, \(wrong.count) disagreed, \(listed.count) listed")
        #expect(wrong.isEmpty)
        #expect(listed == Set(differences.keys), "listed, but not in the file")
        #expect(json["numberOfTests"]?.integer == Int64(agreed + wrong.count + listed.count))
    }

    /// Whether what happened is what the vector wants; with "acceptable" both are right.
    private static func agrees(_ accepted: Bool, _ vector: JSON) throws -> Bool {
        switch try vector.text("result") {
        case "valid": accepted
        case "invalid": !accepted
        default: true
        }
    }

    /// The strict step alone: what `decrypt` does beyond it, for writers of 2019, the vectors call invalid.
    @Sendable private static func aes(_ group: JSON, _ vector: JSON) throws -> Bool {
        let (key, iv) = try (vector.hex("key"), vector.hex("iv"))
        let (plaintext, ciphertext) = try (vector.hex("msg"), vector.hex("ct"))
        let isBlocks = !ciphertext.isEmpty && ciphertext.count.isMultiple(of: AES.block)
        let padded = isBlocks ? try AES.run(.decrypt, ciphertext, key: key, iv: iv) : []
        let isAccepted = AES.lengthWithoutPKCS7(padded).map { padded.prefix($0).elementsEqual(plaintext) } ?? false
        guard try vector.text("result") == "valid" else { return try agrees(isAccepted, vector) }
        return try isAccepted && AES.decrypt(ciphertext, key: key, iv: iv) == plaintext
            && AES.encrypt(plaintext, key: key, iv: iv) == ciphertext
    }

    @Sendable private static func ecdsa(_ group: JSON, _ vector: JSON) throws -> Bool {
        let key = try #require(group["publicKey"] ?? group["key"])
        let message = try vector.hex("msg")
        let signature = try vector.hex("sig")
        // Both forms of the key, so that they agree too.
        let fromHex = try ECCPublicKey(text: key.text("uncompressed")).verifies(signature, of: message)
        let pem = (group["publicKeyPem"] ?? group["keyPem"])?.string
        let fromPEM = try ECCPublicKey(text: #require(pem)).verifies(signature, of: message)
        return try fromHex == fromPEM && agrees(fromHex, vector)
    }

    @Sendable private static func rsaSignature(_ group: JSON, _ vector: JSON) throws -> Bool {
        let pem = (group["publicKeyPem"] ?? group["keyPem"])?.string
        let der = try #require((group["publicKeyAsn"] ?? group["keyAsn"])?.string.flatMap { Hex.decode($0) })
        let key = try RSAPublicKey(pem: #require(pem))
        #expect(try RSAPublicKey(der: der) == key)
        return try agrees(key.verifies(vector.hex("sig"), of: vector.hex("msg")), vector)
    }

    /// Made with SHA-256 we make the same; made with another hash it is no signature for us.
    @Sendable private static func rsaSignatureOfOurs(_ group: JSON, _ vector: JSON) throws -> Bool {
        let key = try RSAPrivateKey(pem: group.text("privateKeyPem"))
        let message = try vector.hex("msg")
        let signature = try vector.hex("sig")
        let verifies = key.publicKey.verifies(signature, of: message)
        guard try group.text("sha") == "SHA-256" else { return !verifies }
        guard try vector.text("result") != "acceptable" || verifies else { return true }
        return try verifies && key.sign(message) == signature
    }

    @Sendable private static func rsaDecryption(_ group: JSON, _ vector: JSON) throws -> Bool {
        let key = try RSAPrivateKey(pem: group.text("privateKeyPem"))
        let plaintext = try? key.decrypt(vector.hex("ct")).revealed
        return try agrees(plaintext == vector.hex("msg"), vector)
    }
}
