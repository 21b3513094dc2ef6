import CMbedTLS

/// The one generator of the process; every operation of mbedTLS that wants randomness draws from it.
///
/// `@unchecked Sendable`: written in `init`; afterwards only `mbedtls_ctr_drbg_random` touches it, which takes the
/// mutex inside the context (MBEDTLS_THREADING_C, on in Debian's 2.28 and 3.6).
final class DRBG: @unchecked Sendable {
    static let shared = DRBG()

    private let state: UnsafeMutablePointer<mbedtls_ctr_drbg_context>
    private let isSeeded: Bool

    private init() {
        state = .allocate(capacity: 1)
        mbedtls_ctr_drbg_init(state)
        isSeeded = culver_drbg_seed(state) == 0
    }

    deinit {
        mbedtls_ctr_drbg_free(state)
        state.deallocate()
    }

    /// For the length of `body`; `noEntropy` if the kernel gave no seed.
    func with<R>(_ body: (UnsafeMutablePointer<mbedtls_ctr_drbg_context>) -> R) throws(CryptoError) -> R {
        guard isSeeded else { throw .noEntropy }
        return body(state)
    }

    func fill(_ bytes: inout [UInt8]) throws(CryptoError) {
        let code = try with { state in
            bytes.withUnsafeMutableBufferPointer { room in
                for start in stride(from: 0, to: room.count, by: Int(MBEDTLS_CTR_DRBG_MAX_REQUEST)) {
                    let part = UnsafeMutableBufferPointer(
                        rebasing: room[start...].prefix(Int(MBEDTLS_CTR_DRBG_MAX_REQUEST)))
                    let code = mbedtls_ctr_drbg_random(state, part.baseAddress, part.count)
                    guard code == 0 else { return code }
                }
                return 0
            }
        }
        guard code == 0 else { throw .noEntropy }
    }
}

extension Random {
    /// The kernel's generator has been seeded since the machine started; before that whoever asks it waits.
    package static var isReady: Bool { culver_kernel_entropy_is_ready() != 0 }
}

/// Random bytes for keys, IVs and names: mbedTLS's CTR_DRBG, seeded by the kernel. Any thread may ask.
package enum Random {
    package static func bytes(_ count: Int) throws(CryptoError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: max(0, count))
        try DRBG.shared.fill(&bytes)
        return bytes
    }
}
