import DIMP
import Foundation
import Records
import Store
import TestSupport

/// A store in a directory of its own, which goes with the value.
final class Scratch {
    let directory: String

    init() throws {
        directory = NSTemporaryDirectory() + "store-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: directory)
    }

    var path: String { directory + "/messages.sqlite" }

    func open(_ limits: StoreLimits = StoreLimits()) throws -> MessageStore {
        try MessageStore(path: path, limits: limits)
    }
}

extension StoreLimits {
    static func with(_ change: (inout StoreLimits) -> Void) -> StoreLimits {
        var limits = StoreLimits()
        change(&limits)
        return limits
    }
}

extension MessageStore {
    func apply(_ changes: [Change]) throws {
        for change in changes { try apply(change) }
    }
}

func outgoing(
    _ id: String, sn: Int64 = 1, receiver: String = "hulk@A", ref: String? = nil, content: String = "{}",
    state: DeliveryState = .queued, due: Double? = nil
) -> Outgoing {
    Outgoing(
        id: id, sn: sn, sender: .sample("moki@B"), recipient: .person(.sample(receiver)), ref: ref, request: [1, 2],
        body: content.isEmpty ? .none : .content(content), state: state, created: 1_000, due: due, expires: 9_000)
}

/// Rows that were sealed together, with this ciphertext, whose SHA-256 is given as 9 and the same.
func sealed(
    _ number: Int64, _ rows: [Outgoing], data: [UInt8] = [1], sn: Int64? = nil, signature: [UInt8] = [7],
    due: Double = 0
) -> Change {
    .sealed(
        shipment(number, of: rows, data: data, sn: sn, signature: signature, due: due),
        Shipment.Ciphertext(data: data, iv: [8], key: "{\"k\":1}"), rows.map { pointing($0, to: number, due: due) })
}

func shipment(
    _ number: Int64, of rows: [Outgoing], data: [UInt8] = [1], sn: Int64? = nil, signature: [UInt8] = [7],
    due: Double? = 0
) -> Shipment {
    Shipment(
        number: number, sender: .sample("moki@B"), receiver: rows.first?.receiver ?? .sample("hulk@A"), sn: sn,
        digest: [9] + data, signature: signature, type: 1, time: 900, due: due)
}

/// The row as it is read when it is inside of this shipment.
func pointing(_ row: Outgoing, to number: Int64, due: Double? = 0) -> Outgoing {
    var row = row
    row.body = .sealed(shipment: number)
    row.due = row.state.isEnd ? nil : due
    return row
}

func incoming(
    _ id: String, sender: String = "hulk@A", receiver: String = "moki@B", group: String? = nil, type: Int64 = 1,
    received: Double = 1_000, content: String = "{\"text\":\"hi\"}",
    subject: String? = nil, expires: Double? = nil
) -> Incoming {
    Incoming(
        id: id, sn: 5, sender: .sample(sender), receiver: .sample(receiver), group: group.map { .sample($0) },
        time: 900, received: received,
        content: content,
        type: type, sealed: true, encrypted: true, trust: .contact, subject: subject, expires: expires)
}

func accepted(
    _ digest: [UInt8], owner: String = "B", sender: String = "A", contentDigest: [UInt8]? = nil, time: Double? = 1_000,
    isOwed: Bool = true
) -> AcceptedRecord {
    AcceptedRecord(
        owner: .sample(owner), sender: .sample(sender), digest: digest, contentDigest: contentDigest, time: time,
        receipt: "{}",
        receiptTo: .sample("hulk@A"), receiptFrom: .sample("moki@B"), isOwed: isOwed, answered: 5)
}

func parked(
    _ digest: Int, sender: String = "hulk@A", receiver: String = "moki@B", isVerified: Bool = false, since: Double = 0,
    wire: [UInt8] = [0, 1, 2]
) -> Parked {
    Parked(
        isVerified: isVerified, sender: .sample(sender), receiver: .sample(receiver), wire: wire,
        digest: withUnsafeBytes(of: digest.bigEndian) { Array($0) }, received: 1, since: since)
}

func event(_ time: Double, _ kind: EventRecord.Kind = .broker, reason: String? = nil, text: String = "words")
    -> EventRecord
{
    EventRecord(time: time, kind: kind, level: .info, did: .sample("hulk@A"), reason: reason, text: text)
}
