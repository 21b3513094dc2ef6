import CMbedTLS

/// The one place where the bytes of a `SecretBytes` stand; wiped in `deinit`.
///
/// `@unchecked Sendable`: written in `init`, only read until `deinit`.
final class SecretStorage: @unchecked Sendable {
    private let bytes: UnsafeMutableBufferPointer<UInt8>

    init(_ source: [UInt8]) {
        bytes = .allocate(capacity: source.count)
        _ = bytes.initialize(from: source)
    }

    deinit {
        // Also for no bytes at all: the allocation is there.
        mbedtls_platform_zeroize(bytes.baseAddress, bytes.count)
        bytes.deallocate()
    }

    var count: Int { bytes.count }

    func copy() -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: bytes.count) { room, count in
            count = room.initialize(fromContentsOf: bytes)
        }
    }

    func equals(_ other: SecretStorage) -> Bool {
        guard count == other.count else { return false }
        var difference: UInt8 = 0
        for index in bytes.indices { difference |= bytes[index] ^ other.bytes[index] }
        return difference == 0
    }
}

/// Overwrites the elements in place, for a secret that passed through an array. Does not reach copies that others hold.
func wipe(_ bytes: inout [UInt8]) {
    bytes.withUnsafeMutableBytes { mbedtls_platform_zeroize($0.baseAddress, $0.count) }
}
