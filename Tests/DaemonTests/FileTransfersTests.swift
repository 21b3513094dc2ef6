import Agent
import Crypto
import DIMP
import Format
import Foundation
import Records
import Store
import Testing

@testable import culverd

@MainActor @Suite struct FileTransfersTests {
    private func transfer(
        _ number: Int, _ state: FileTransfer.State, time: Double = 0, size: Int64 = 100
    ) throws -> FileTransfer {
        let digits = String(number)
        let id = String(repeating: "0", count: 20 - digits.count) + digits
        let offer = try #require(
            FileOffer(
                id: id, size: size, piece: 1024, digest: [UInt8](repeating: 7, count: 32),
                key: SecretBytes([UInt8](repeating: 1, count: 32)), iv: [UInt8](repeating: 2, count: 16)))
        var transfer = FileTransfer(
            offer, sender: .sample("hulk@A"), receiver: .sample("moki@B"), message: "m\(number)", name: "a", type: 16,
            time: time)
        transfer.state = state
        return transfer
    }

    @Test("of files that have ended the old ones are forgotten, and of those without a time the first of too many")
    func pruned() throws {
        let states: [FileTransfer.State] = [.open, .whole, .delivered, .refused, .expired, .failed]
        let old = try states.enumerated().map { try transfer($0.offset, $0.element, time: 5) }
        let young = try states.enumerated().map { try transfer(10 + $0.offset, $0.element, time: 50) }
        let gone = FileTransfers.forgettable(young + old, before: 20)
        #expect(Set(gone.map(\.message)) == ["m2", "m3", "m4", "m5"])
        #expect(FileTransfers.forgettable(young + old, before: -.infinity).isEmpty)
        let many = try (0..<1_200).map { try transfer($0, .refused) } + [transfer(2_000, .refused, time: 50)]
        let first = FileTransfers.forgettable(many, before: -.infinity)
        #expect(first.count == 201 && !first.contains { $0.message == "m2000" })
    }

    @Test("a file that is offered under the name of one that goes is declined, and leaves its bytes alone")
    func sameName() async throws {
        let rig = try Rig()
        let running = RunningConfiguration(Configuration(), options: Options(), environment: [:])
        let transfers = FileTransfers(loop: rig.loop, running: running)
        let abilities = try madeIdentity("hulk")
        rig.loop.book.apply(.contact(Contact(id: abilities.id, trust: .contact, isCulver: true)))
        rig.loop.book.apply(.meta(abilities.meta, of: abilities.id))
        rig.loop.book.apply(.visa(abilities.visa, of: abilities.id))
        rig.loop.wake()
        await rig.settle()
        let id = "0123456789abcdefghij"
        let handOver = try transfers.begin(id, size: 3, to: abilities.id)
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            transfers.add([1, 2, 3], to: handOver) { error in
                if let error { continuation.resume(throwing: error) } else { continuation.resume() }
            }
        }
        let partial = PartialTransfer(
            sender: .sample("moki@B"), receiver: abilities.id, ref: "r", name: "a", type: 16, time: 5, deadline: 1e9)
        let going = try await withCheckedThrowingContinuation {
            (continuation: CheckedContinuation<FileTransfer, any Error>) in
            transfers.finish(handOver, as: partial) { continuation.resume(with: $0.mapError { $0 as any Error }) }
        }
        let data = rig.directory + "/files/\(id).data"
        let bytes = try Data(contentsOf: URL(fileURLWithPath: data))
        var offered = going
        (offered.sender, offered.receiver, offered.message) = (abilities.id, .sample("moki@B"), "theirs")
        transfers.perform(.offered(offered))
        #expect(transfers.coming.isEmpty)
        // What follows from it: its end is written down.
        offered.state = .refused
        transfers.perform(.ended(offered, isOurs: false))
        await rig.settle()
        // The queue of the files has done everything before this.
        _ = try? transfers.begin("9876543210abcdefghij", size: 3, to: abilities.id).sealing.result
        try await Task.sleep(for: .milliseconds(100))
        #expect(try Data(contentsOf: URL(fileURLWithPath: data)) == bytes)
    }
}
