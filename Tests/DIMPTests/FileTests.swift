import Crypto
import DIMP
import Format
import TestSupport
import Testing

@Suite("Files in pieces")
struct FileTests {
    private let sender: Address
    private let receiver: Address
    private let offer: FileOffer
    private let pieces: FilePieces

    init() throws {
        sender = try #require(Address("1HufnkADajevJUWAXNFTbHxNxFHQC7hnpx"))
        receiver = try #require(Address("12PqqF8eHFwfb1fs8My3bxzqQyGXXCQQRM"))
        offer = try Self.offer()
        pieces = FilePieces(offer, from: sender, to: receiver)
    }

    /// Three pieces: 1024, 1024 and 16 bytes.
    private static func offer(id: String = "0123456789abcdefghij", size: Int64 = 2048) throws -> FileOffer {
        try #require(
            FileOffer(
                id: id, size: size, piece: 1024, digest: [UInt8](repeating: 7, count: 32),
                key: SecretBytes(Array(0..<32)), iv: Array(0..<16)))
    }

    private func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0) } }

    /// Made by Python 3:
    ///
    ///     prk = hmac.new(bytes(32), bytes(range(32)), "sha256").digest()
    ///     key = hmac.new(prk, b"culver file 0123456789abcdefghij " + sender + b" " + receiver + b"\x01", "sha256").digest()
    ///     hmac.new(key, b"0123456789abcdefghij/0/" + bytes(range(16)), "sha256").hexdigest()
    @Test("the code behind a piece is the one that Python makes")
    func vector() throws {
        let one = try Self.offer(size: 15)
        #expect(one.count == 1)
        let payload = FilePieces(one, from: sender, to: receiver).sealed(bytes(16), number: 0)
        #expect(
            Hex.encode(payload.suffix(32)) == "90accca55df8f1c3f18399530c097cee464a90ebcb08de581407e012ca85124a")
    }

    @Test("a piece that was altered, swapped, of another file, other peers, too long, too short or too many is none")
    func hostile() throws {
        let payload = pieces.sealed(bytes(1024), number: 1)
        #expect(try pieces.opened(payload, number: 1) == bytes(1024))
        var taken = 0
        func show(_ payload: [UInt8], as number: Int, of others: FilePieces? = nil) {
            if (try? (others ?? pieces).opened(payload, number: number)) != nil { taken += 1 }
        }
        for index in payload.indices {
            var altered = payload
            altered[index] ^= 0x10
            show(altered, as: 1)
        }
        for number in [0, 2, 3, -1, .max, .min] { show(payload, as: number) }
        for count in [0, 1, 31, 32, 33, 1055] { show(Array(payload.prefix(count)), as: 1) }
        show(payload + [0], as: 1)
        show(payload + payload, as: 1)
        show(payload, as: 1, of: FilePieces(offer, from: receiver, to: sender))
        show(payload, as: 1, of: FilePieces(try Self.offer(id: "0123456789abcdefghik"), from: sender, to: receiver))
        // The last piece is shorter: a longer one with a code of its own is none either.
        show(pieces.sealed(bytes(1024), number: 2), as: 2)
        #expect(taken == 0)
        #expect(try pieces.opened(pieces.sealed(bytes(16), number: 2), number: 2) == bytes(16))
    }

    @Test("an offer is read back, and one with numbers that nobody takes is none")
    func offers() throws {
        var content: JSONObject = offer.members
        #expect(FileOffer(content) == offer)
        #expect(offer.sealedSize == 2064 && offer.count == 3)
        let good = try #require(content["file"]?.object)
        for (name, value) in [
            ("v", JSON.integer(2)), ("id", "../../../../../../etc"), ("id", "short"), ("size", -1),
            ("size", .integer(.max)), ("piece", 0), ("piece", 1023), ("piece", 8), ("piece", .integer(1 << 40)),
            ("size", .integer(1 << 34)), ("sha256", "AAAA"), ("sha256", .null),
        ] {
            var bad = good
            bad[name] = value
            content["file"] = .object(bad)
            #expect(FileOffer(content) == nil, "\(name) \(value)")
        }
        content["file"] = .object(good)
        content["key"] = ["algorithm": "PLAIN"]
        #expect(FileOffer(content) == nil)
    }

    /// Its mac was made by Python 3, with the info "culver file ack ID RECEIVER SENDER".
    @Test("the receiver's word is read as Python writes it, and no altered byte of it is believed")
    func progress() throws {
        let text = """
            {"v":1,"file":"0123456789abcdefghij","from":"12PqqF8eHFwfb1fs8My3bxzqQyGXXCQQRM",\
            "to":"1HufnkADajevJUWAXNFTbHxNxFHQC7hnpx","at":1760000000,"state":"more","have":[[0,3],[5,5]],\
            "mac":"54zfXiRfaNuuzKkNr01CJzphg3ymvdGd0I9JOhqsSOQ="}
            """
        let written = Array(text.utf8)
        #expect(FileProgress.isOne(written))
        let progress = try FileProgress(parsing: written)
        #expect(progress.isMade(for: offer) && progress.state == .more && progress.have == [0...3, 5...5])
        var have = PieceSet(count: 6)
        for number in [0, 1, 2, 3, 5] { have.insert(number) }
        let made = FileProgress(of: offer, from: receiver, to: sender, at: 1_760_000_000, .more, have: have)
        #expect(made.bytes == written)
        for index in written.indices {
            var altered = written
            altered[index] ^= 1
            #expect((try? FileProgress(parsing: altered))?.isMade(for: offer) != true, "\(index)")
        }
        let other = FileProgress(of: offer, from: sender, to: receiver, at: 1_760_000_000, .more, have: have)
        #expect(try FileProgress(parsing: other.bytes).isMade(for: offer))
        #expect(!other.bytes.suffix(48).elementsEqual(written.suffix(48)), "each direction has its own key")
    }

    @Test("ranges that no file has are refused before they are counted")
    func wideRanges() throws {
        for ranges in ["[[0,16384]]", "[[5,4]]", "[[-1,4]]", "[[0]]", "[0]", "{}", "[[0,9223372036854775807]]"] {
            let text = """
                {"v":1,"file":"0123456789abcdefghij","from":"\(receiver)","to":"\(sender)","at":1,"state":"more",\
                "have":\(ranges),"mac":"54zfXiRfaNuuzKkNr01CJzphg3ymvdGd0I9JOhqsSOQ="}
                """
            #expect(throws: Rejection.self) { try FileProgress(parsing: Array(text.utf8)) }
        }
    }

    @Test("a set of pieces is like a set", arguments: [1, 8, 63, 64, 65, 200])
    func sets(count: Int) {
        let dice = Dice(seed: UInt64(count))
        var set = PieceSet(count: count)
        var model: Set<Int> = []
        for _ in 0..<count * 3 {
            let number = dice.below(count + 4) - 2
            set.insert(number)
            if 0..<count ~= number { model.insert(number) }
            #expect(set.filled == model.count && set.isFull == (model.count == count))
            let start = dice.below(count)
            #expect(set.firstMissing(from: start) == (start..<count).first { !model.contains($0) })
        }
        #expect((-2..<count + 2).allSatisfy { set.contains($0) == model.contains($0) })
        #expect(PieceSet(count: count, bytes: set.bytes) == set)
        #expect(PieceSet(count: count, bytes: set.bytes + [255]) == set)
        #expect(set.ranges(limit: 1000).flatMap { Array($0) } == model.sorted())
        #expect(set.ranges(limit: 2).count <= 2)
        var union = PieceSet(count: count)
        union.formUnion(set)
        #expect(union == set)
    }

    @Test(
        "a name from elsewhere leads nowhere and hides nothing",
        arguments: [
            ("soil.png", "soil.png"), ("../../etc/passwd", "passwd"), ("..", "file"), ("", "file"), ("a/", "file"),
            ("C:\\x\\y.txt", "y.txt"), (".profile", "profile"), ("-rf", "rf"), ("a\u{0}b\nc", "abc"),
            ("gpj.\u{202E}exe", "gpj.exe"), ("über uns.pdf", "über uns.pdf"), ("x. ", "x"),
        ])
    func names(name: String, safe: String) {
        #expect(FileName.safe(name) == safe)
    }

    @Test("a long name keeps its ending")
    func longName() {
        let safe = FileName.safe(String(repeating: "ü", count: 300) + ".jpeg")
        #expect(safe.utf8.count <= 200 && safe.hasSuffix("ü.jpeg"))
        #expect(FileName.type(of: safe) == .image && FileName.type(of: "a.OPUS") == .audio)
        #expect(FileName.type(of: "mkv") == .file && FileName.type(of: "a.mkv") == .video)
    }
}
