import Crypto
package import DIMP

/// Keys whose private halves stand in the test vectors of DIMP's software and of this project: whoever has one has
/// nobody's secret. Known by the first eight bytes of the SHA-256 of their public halves.
package enum PublishedKeys {
    package static func contains(_ key: PublicKey) -> Bool {
        fingerprints.contains(Digest.sha256(key.data).prefix(8).reduce(0) { $0 << 8 | UInt64($1) })
    }

    private static let fingerprints: Set<UInt64> = [
        0x0e5b8cc75d12b7c6, 0x1206da86b942fe5f, 0x1e58fcb2d9aa6dca, 0x2ffd485de1e9107a,
        0x34f51ebf822eba5a, 0x3f416a1899b9cb81, 0x48c0c50d0a40c53e, 0x496b81eb9153ecc6,
        0x53ecf42aa1a2b294, 0x600a0b03b48f0d2a, 0x6706861db52741d3, 0x67fab68263fbbd85,
        0x6a3fcd9c21736f4a, 0x6dde7d2c6ba9fa91, 0x82a2c9f8c057011d, 0x8469f1820137a2c5,
        0x8511373a66834ece, 0x888cdf48b1102870, 0x8a48064c64ea7705, 0x91dcb22dc0f1e5a7,
        0x93925f82fb59b89a, 0x9833c1a1580ef327, 0x99161491bce23481, 0x9f3cf096c22394eb,
        0xa0fc640e10e206db, 0xa1f030c37dd68743, 0xa80c44bd3cbe2a44, 0xad50b71bbe411fd5,
        0xbad342d68c7b7cde, 0xbb690897d0dae63d, 0xbbc9a6514dd2f11f, 0xdd6a4a5aa5b857ea,
        0xdd7a909e1ea846e0, 0xe86e80bddeb160d8, 0xf66bc8b0d42f1d21, 0xfe612b397583d7a4,
    ]
}
