import CMosquitto
import Format
import Glibc

/// What went wrong with TLS, in words for people.
///
/// libmosquitto only says "a TLS error occurred". OpenSSL's words come from its log, the reason why a certificate was
/// not believed from OpenSSL itself: libmosquitto has loaded it, so its functions are looked up rather than linked.
struct TLSFault {
    let words: String
    /// The broker just went away: no alert, no complaint. Over an established TLS that says nothing about TLS.
    let isMereEnd: Bool

    init?(_ callbacks: CallbackQueue, host: BrokerAddress) {
        if callbacks.isWrongName, case .network(let name, _) = host.place {
            words = "the broker's certificate is not for \(name)"
            isMereEnd = false
            return
        }
        guard let fault = callbacks.faults.first ?? callbacks.complaint else { return nil }
        isMereEnd = fault.utf8.has("unexpected eof")
        let cause = fault.utf8.has("certificate verify failed") ? callbacks.distrust : nil
        words =
            if isMereEnd { "the broker ended the connection" } else { cause.map { "\(fault): \($0)" } ?? fault }
    }

    /// Whether the handshake is through.
    static func isSettled(_ ssl: UnsafeMutableRawPointer?) -> Bool {
        guard let ssl, let symbol = dlsym(nil, "SSL_is_init_finished") else { return false }
        let isFinished = unsafeBitCast(symbol, to: (@convention(c) (UnsafeMutableRawPointer) -> Int32).self)
        return isFinished(ssl) == 1
    }

    /// Why the certificate was not believed: "self-signed certificate", "certificate has expired" and the like.
    static func distrust(_ ssl: UnsafeMutableRawPointer?) -> String? {
        guard let ssl, let result = dlsym(nil, "SSL_get_verify_result"),
            let text = dlsym(nil, "X509_verify_cert_error_string")
        else { return nil }
        let verdict = unsafeBitCast(result, to: (@convention(c) (UnsafeMutableRawPointer) -> Int).self)(ssl)
        guard verdict != 0 else { return nil }
        let words = unsafeBitCast(text, to: (@convention(c) (Int) -> UnsafePointer<CChar>?).self)(verdict)
        return words.map { String(cString: $0) }
    }
}
