import DIMP

/// The IDs and addresses of the rows that were read last, by their texts. The same few stand in row after row, and to
/// check one takes two SHA-256.
final class ParsedIDs {
    /// What errors call the file with the rows.
    let file: String

    // By bytes: two different texts may be equal as strings.
    private var ids: [[UInt8]: ID] = [:]
    private var addresses: [[UInt8]: Address] = [:]
    /// The last two that were asked for: a row has a sender and a receiver, and the next row mostly has the same.
    private var latest: [(text: [UInt8], id: ID)] = []
    /// With so many of them it begins anew: some 50 KiB.
    private static let limit = 256

    init(file: String) {
        self.file = file
    }

    /// `nil` for a text that is no ID.
    func id(_ bytes: some Collection<UInt8>) -> ID? {
        if let place = latest.firstIndex(where: { $0.text.elementsEqual(bytes) }) { return latest[place].id }
        let text = Array(bytes)
        guard let id = ids[text] ?? ID(String(decoding: text, as: UTF8.self)) else { return nil }
        if ids.count >= Self.limit { ids.removeAll(keepingCapacity: true) }
        ids[text] = id
        latest.append((text: text, id: id))
        if latest.count > 2 { latest.removeFirst() }
        return id
    }

    /// `nil` for a text that is no address.
    func address(_ text: [UInt8]) -> Address? {
        if let known = addresses[text] { return known }
        guard let address = Address(String(decoding: text, as: UTF8.self)) else { return nil }
        if addresses.count >= Self.limit { addresses.removeAll(keepingCapacity: true) }
        addresses[text] = address
        return address
    }
}
