import Format

/// Bytes out of hex that stands in the test itself; none for a slip of the pen, which no expectation equals.
func bytes(_ hex: String) -> [UInt8] {
    Hex.decode(hex) ?? []
}
