import DIMP

/// The IDs and addresses of the rows that were read last, by their texts. The same few stand in row after row, and to
/// check one takes two SHA-256.
final class ParsedIDs {
    /// What errors call the file with the rows.
    let file: String

    // By bytes: two different texts may be equal as strings.
    private var ids: [[UInt8]: ID] = [:]
    private var addresses: [[UInt8]: Address] = [:]
    /// With so many of them it begins anew: some 50 KiB.
    private static let limit = 256

    init(file: String) {
        self.file = file
    }

    /// `nil` for a text that is no ID.
    func id(_ text: [UInt8]) -> ID? {
        if let known = ids[text] { return known }
        guard let id = ID(String(decoding: text, as: UTF8.self)) else { return nil }
        if ids.count >= Self.limit { ids.removeAll(keepingCapacity: true) }
        ids[text] = id
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
