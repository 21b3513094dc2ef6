import Crypto
import DIMP
import Foundation
import TestSupport
import Testing

@testable import Store

@Suite struct FileShelfTests {
    private let scratch: Scratch
    private let state: StateDirectory
    private let dice = Dice(seed: 1)

    init() throws {
        scratch = try Scratch()
        state = try StateDirectory(scratch.directory + "/state")
    }

    /// A file of so many bytes, encrypted in parts of odd lengths, and its bytes.
    private func made(_ size: Int, on shelf: FileShelf) throws -> (FileTransfer, [UInt8]) {
        let bytes = (0..<size).map { _ in UInt8(truncatingIfNeeded: dice.next()) }
        let key = SecretBytes((0..<32).map { _ in UInt8(truncatingIfNeeded: dice.next()) })
        let iv = (0..<16).map { _ in UInt8(truncatingIfNeeded: dice.next()) }
        let id = "0123456789abcdefghij"
        let sealing = try shelf.begin(id, key: key, iv: iv)
        var rest = bytes[...]
        while !rest.isEmpty {
            let part = rest.prefix(1 + dice.below(5000))
            try shelf.add(Array(part), to: sealing)
            rest = rest.dropFirst(part.count)
        }
        let digest = try shelf.finish(sealing)
        #expect(digest == Digest.sha256(bytes))
        let offer = try #require(
            FileOffer(id: id, size: Int64(size), piece: 1024, digest: digest, key: key, iv: iv))
        let (moki, hulk) = (ID.sample("moki"), ID.sample("hulk"))
        let transfer = FileTransfer(
            offer, sender: moki, receiver: hulk, message: "r", name: "n", type: 16, time: 0)
        return (transfer, bytes)
    }

    @Test("what is encrypted in parts is what is encrypted at once", arguments: [0, 1, 15, 16, 17, 4096, 10_001])
    func sealing(size: Int) throws {
        let (transfer, bytes) = try made(size, on: FileShelf(state))
        let offer = transfer.offer
        let whole = try AES.encrypt(bytes, key: offer.key.revealed, iv: offer.iv)
        #expect(try state.read("files/\(offer.id).data") == whole)
        #expect(offer.sealedSize == Int64(whole.count))
    }

    @Test("pieces in any order, doubled, become the file; any part of it can be read")
    func pieces() throws {
        let left = FileShelf(state)
        let (transfer, bytes) = try made(10_001, on: left)
        let other = try StateDirectory(scratch.directory + "/other")
        let right = FileShelf(other)
        #expect(try right.prepare(transfer.offer).filled == 0)
        var numbers = Array(0..<transfer.offer.count) + [3, 4]
        for index in numbers.indices { numbers.swapAt(index, dice.below(numbers.count)) }
        for number in numbers {
            try right.keep(try left.payload(of: transfer, piece: number), piece: number, of: transfer)
        }
        #expect(try right.sync(transfer.offer).isFull)
        #expect(try right.check(transfer.offer))
        var read: [UInt8] = []
        try right.read(transfer.offer) { read += $0 }
        #expect(read == bytes)
        for _ in 0..<50 {
            let (offset, limit) = (dice.below(10_100), 1 + dice.below(3000))
            let part = try right.bytes(of: transfer.offer, at: Int64(offset), limit: limit)
            #expect(part == Array(bytes.dropFirst(offset).prefix(limit)))
        }
    }

    @Test("after a power cut there is what was synced, and what was not comes again")
    func powerCut() throws {
        let left = FileShelf(state)
        let (transfer, _) = try made(5000, on: left)
        let other = try StateDirectory(scratch.directory + "/other")
        let first = FileShelf(other)
        _ = try first.prepare(transfer.offer)
        for number in [0, 2] {
            try first.keep(try left.payload(of: transfer, piece: number), piece: number, of: transfer)
        }
        _ = try first.sync(transfer.offer)
        try first.keep(try left.payload(of: transfer, piece: 1), piece: 1, of: transfer)
        let second = FileShelf(other)
        #expect(try second.prepare(transfer.offer).ranges(limit: 9) == [0...0, 2...2])
    }

    @Test("a piece that its sender did not make leaves no trace, and a whole that is another file is taken apart")
    func foreign() throws {
        let left = FileShelf(state)
        let (transfer, _) = try made(3000, on: left)
        let other = try StateDirectory(scratch.directory + "/other")
        let right = FileShelf(other)
        _ = try right.prepare(transfer.offer)
        var payload = try left.payload(of: transfer, piece: 0)
        payload[5] ^= 1
        #expect(throws: Rejection.self) { try right.keep(payload, piece: 0, of: transfer) }
        #expect(try right.sync(transfer.offer).filled == 0)
        // Its sender announced another digest than the file has.
        let liar = try #require(
            FileOffer(
                id: transfer.offer.id, size: transfer.offer.size, piece: 1024,
                digest: [UInt8](repeating: 1, count: 32), key: transfer.offer.key, iv: transfer.offer.iv))
        for number in 0..<liar.count {
            try right.keep(try left.payload(of: transfer, piece: number), piece: number, of: transfer)
        }
        #expect(try right.sync(liar).isFull)
        #expect(try !right.check(liar))
        #expect(try right.prepare(liar).filled == 0)
    }

    @Test("a name that is taken too often, or that the file system refuses, gives way to that of the message")
    func names() throws {
        let shelf = FileShelf(state)
        let place = scratch.directory + "/in"
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: false)
        for number in 1...999 {
            let name = number == 1 ? "a.txt" : "a (\(number)).txt"
            #expect(FileManager.default.createFile(atPath: "\(place)/\(name)", contents: Data()))
        }
        let long = String(repeating: "x", count: 300)
        for (name, message) in [("a.txt", "m1"), (long, "m2"), ("b.txt", "m3")] {
            let path = try shelf.deliver(Array(message.utf8), named: name, of: message, into: place)
            #expect(path == "\(place)/\(name == "b.txt" ? name : message)")
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data(message.utf8))
        }
        // That is the disk's fault, and tried again.
        #expect(throws: FileError.self) { try shelf.deliver([1], named: "a", of: "m4", into: place + "/none") }
        #expect(try FileManager.default.contentsOfDirectory(atPath: place).allSatisfy { !$0.hasSuffix(".part") })
    }

    @Test("a file that is removed leaves nothing")
    func removal() throws {
        let shelf = FileShelf(state)
        let (transfer, _) = try made(3000, on: shelf)
        _ = try shelf.prepare(transfer.offer)
        try shelf.remove(transfer.offer.id)
        #expect(try state.list("files").isEmpty)
        #expect(throws: FileError.self) { try shelf.payload(of: transfer, piece: 0) }
    }
}
