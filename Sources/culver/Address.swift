import Format

/// Tells an ID from a path and a name, as design section 2 has it.
enum Address {
    /// Text with `@`, or with the shape of a bare address.
    static func isID(_ text: String) -> Bool {
        text.contains("@") || isAddress(text)
    }

    private static func isAddress(_ text: String) -> Bool {
        if text.hasPrefix("0x") { return Hex.decode(text.dropFirst(2))?.count == 20 }
        return Base58.decode(text)?.count == 25
    }
}
