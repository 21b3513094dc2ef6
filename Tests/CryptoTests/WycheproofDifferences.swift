/// Where mbedTLS accepts or refuses otherwise than Wycheproof says, and why that is right or harmless for us. The
/// tests fail for a difference that is not listed, and for an entry that has come to agree.
enum WycheproofDifferences {
    static let listed: [String: [Int: String]] = [:]
}
