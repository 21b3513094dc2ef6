package import DIMP

extension ID {
    /// An ID that belongs to no meta. "hulk@A/phone" is the name hulk, the address made of "A", the terminal phone.
    package static func sample(_ text: String) -> ID {
        let parts = text.split(separator: "/", maxSplits: 1).map(String.init)
        let words = parts[0].split(separator: "@", maxSplits: 1).map(String.init)
        return ID(
            name: words.count == 2 ? words[0] : nil, address: .sample(words[words.count - 1]),
            terminal: parts.count == 2 ? parts[1] : nil)
    }
}

extension Address {
    /// The same for the same text.
    package static func sample(_ text: String) -> Address { .btc(network: 0, of: Array(text.utf8)) }
}
