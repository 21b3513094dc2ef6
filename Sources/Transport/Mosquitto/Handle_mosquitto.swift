import CMosquitto
import Glibc
import System

/// Once per process. libmosquitto writes to its sockets without `MSG_NOSIGNAL`.
private let library: Int32 = {
    signal(SIGPIPE, SIG_IGN)
    return mosquitto_lib_init()
}()

/// libmosquitto's `struct mosquitto`, good for one connection: a second one would send again, by itself, what the
/// agent has long decided otherwise about.
///
/// One thread uses it at a time, which is what `@unchecked Sendable` stands for: the pool during `dial`, the main queue
/// before and after.
final class Handle: @unchecked Sendable {
    let version: MQTTVersion
    let callbacks: CallbackQueue
    private let mosquitto: OpaquePointer
    private let options: BrokerOptions
    private let connecting = InterruptibleConnect()

    /// - Throws: `.refused` when an option is impossible or a file cannot be read.
    init(_ options: BrokerOptions, version: MQTTVersion, startsClean: Bool) throws(TransportError) {
        guard library == MOSQ_ERR_SUCCESS.rawValue else { throw .refused("libmosquitto does not start") }
        callbacks = CallbackQueue(maximumPacket: options.maximumPacket)
        guard let mosquitto = mosquitto_new(options.clientID, startsClean, nil) else {
            throw .refused("\(options.clientID) is no client id: \(Errno.last)")
        }
        self.mosquitto = mosquitto
        self.version = version
        self.options = options
        callbacks.follow(mosquitto)
        try configure()
    }

    deinit {
        CallbackQueue.leave(mosquitto)
        mosquitto_destroy(mosquitto)
    }

    /// Resolves, connects and writes CONNECT; blocks as long as that takes. Not for the main queue.
    ///
    /// - Returns: why it failed, or `nil`.
    func dial() -> String? {
        var properties: OpaquePointer?
        defer { mosquitto_property_free_all(&properties) }
        var code = MOSQ_ERR_SUCCESS.rawValue
        if version == .v5 {
            code = mosquitto_property_add_int32(
                &properties, Int32(MQTT_PROP_SESSION_EXPIRY_INTERVAL.rawValue), options.sessionExpiry)
            if code == 0 {
                code = mosquitto_property_add_int32(
                    &properties, Int32(MQTT_PROP_MAXIMUM_PACKET_SIZE.rawValue), max(1, options.maximumPacket))
            }
        }
        let keepAlive = Int32(min(max(options.keepAlive, 5), 65_535))
        let (place, port): (String, Int32) =
            switch options.address.place {
            case .network(let host, let port): (host, Int32(port))
            case .socket(let path): (path, 0)
            }
        var cause: Int32 = 0
        if code == 0 {
            (code, cause) = connecting.run {
                errno = 0
                let code = mosquitto_connect_bind_v5(mosquitto, place, port, keepAlive, nil, properties)
                return (code, errno)
            }
        }
        guard code != MOSQ_ERR_SUCCESS.rawValue else {
            Descriptor.closeOnExec(socket)
            return nil
        }
        let isAfterHandshake = options.address.isEncrypted && cause == EPROTO && fault == nil
        let doubt = isAfterHandshake ? Self.certificateDoubt : ""
        return "cannot reach \(options.address): \(reason(for: code, cause: cause))\(doubt)"
    }

    /// Has a `dial` that waits for an address go on to the next one; the last one's is over then. From any thread.
    func giveUpAddress() { connecting.interrupt() }

    var isConnecting: Bool { connecting.isRunning }

    /// For a TLS that stands and is cut before the CONNACK: the alert with the reason may be lost in the cut.
    static let certificateDoubt = " (does it want another client certificate?)"

    /// -1 when there is none.
    var socket: Int32 { mosquitto_socket(mosquitto) }

    var wantsToWrite: Bool { mosquitto_want_write(mosquitto) }

    /// TLS stands, or there is none to stand.
    var isSecured: Bool { !options.address.isEncrypted || TLSFault.isSettled(mosquitto_ssl_get(mosquitto)) }

    /// `nil` without TLS.
    var validity: Validity? { mosquitto_ssl_get(mosquitto).map(Validity.init) }

    /// Whether the broker was offered our will.
    var hasWill: Bool { options.will != nil }

    /// Reads what has arrived. libmosquitto makes room for the whole of a packet when it has read its length, however
    /// much that is: a length far beyond what this board takes is the end of the connection, which frees that room.
    ///
    /// - Returns: why the connection is over, or `nil`. The same holds for `write`, `keepAlive` and `disconnect`.
    func read() -> String? {
        let before = DataSegment.bytes
        if let fault = attempt({ mosquitto_loop_read(mosquitto, 1) }) { return fault }
        guard let before, let after = DataSegment.bytes else { return nil }
        // The messages of this call were copied, and freed by libmosquitto; the rest is the heap's own rounding.
        let allowed = max(8 << 20, 4 * Int64(callbacks.maximumPacket)) + 2 * Int64(callbacks.weight)
        return after - before > allowed ? "the broker announces a packet that is much longer than we take" : nil
    }

    func write() -> String? { attempt { mosquitto_loop_write(mosquitto, 1) } }

    /// Pings when it is time to, and notices an answer that did not come.
    func keepAlive() -> String? { attempt { mosquitto_loop_misc(mosquitto) } }

    /// Writes DISCONNECT, which takes the will back.
    func disconnect() -> String? { attempt { mosquitto_disconnect_v5(mosquitto, 0, nil) } }

    /// The outcome of `publish`: taken, never to be taken, or the connection is over.
    enum Handover {
        case taken(token: Int32)
        case refused(String)
        case broken(String)
    }

    /// - Parameter expiry: seconds (MQTT 5 only; without meaning in 3.1.1).
    func publish(_ message: MQTTPublication, expiry: UInt32?) -> Handover {
        guard !message.topic.utf8.contains(0) else { return .refused("a topic has no NUL") }
        guard let count = Int32(exactly: message.payload.count) else { return .refused("the message is too long") }
        var properties: OpaquePointer?
        defer { mosquitto_property_free_all(&properties) }
        if let expiry, version == .v5 {
            let code = mosquitto_property_add_int32(
                &properties, Int32(MQTT_PROP_MESSAGE_EXPIRY_INTERVAL.rawValue), expiry)
            guard code == MOSQ_ERR_SUCCESS.rawValue else { return .refused(words(code)) }
        }
        if let mark = options.bridging?.mark, version == .v5 {
            let code = mosquitto_property_add_string_pair(
                &properties, Int32(MQTT_PROP_USER_PROPERTY.rawValue), MQTTDelivery.property, mark)
            guard code == MOSQ_ERR_SUCCESS.rawValue else { return .refused(words(code)) }
        }
        var token: Int32 = 0
        errno = 0
        let code = message.payload.withUnsafeBytes {
            mosquitto_publish_v5(
                mosquitto, &token, message.topic, count, $0.baseAddress, message.qos, message.retain, properties)
        }
        let cause = errno
        switch mosq_err_t(code) {
        case MOSQ_ERR_SUCCESS: return .taken(token: token)
        case MOSQ_ERR_INVAL: return .refused("\(message.topic) is no topic to publish on")
        case MOSQ_ERR_OVERSIZE_PACKET: return .refused("the broker takes no message of \(count) bytes")
        case MOSQ_ERR_PAYLOAD_SIZE, MOSQ_ERR_MALFORMED_UTF8, MOSQ_ERR_QOS_NOT_SUPPORTED:
            return .refused(words(code))
        default: return .broken(reason(for: code, cause: cause))
        }
    }

    /// Asks for QoS 1. The topics are valid filters.
    ///
    /// - Returns: the token of the answer, or `nil` if the connection is over or the broker takes no packet that long.
    func subscribe(_ topics: [String]) -> Int32? {
        var token: Int32 = 0
        let code = withStrings(topics) {
            mosquitto_subscribe_multiple(mosquitto, &token, Int32(topics.count), $0, 1, subscription, nil)
        }
        return code == MOSQ_ERR_SUCCESS.rawValue ? token : nil
    }

    /// Options of MQTT 5: no-local, retain as published, and what becomes of what stands retained.
    private var subscription: Int32 {
        guard let bridging = options.bridging, version == .v5 else { return 0 }
        let retained = bridging.skipsRetained ? MQTT_SUB_OPT_SEND_RETAIN_NEVER : MQTT_SUB_OPT_SEND_RETAIN_ALWAYS
        return Int32(
            MQTT_SUB_OPT_NO_LOCAL.rawValue | MQTT_SUB_OPT_RETAIN_AS_PUBLISHED.rawValue | retained.rawValue)
    }

    func unsubscribe(_ topics: [String]) {
        _ = withStrings(topics) {
            mosquitto_unsubscribe_multiple(mosquitto, nil, Int32(topics.count), $0, nil)
        }
    }

    static func isFilter(_ topic: String) -> Bool {
        !topic.isEmpty && topic.utf8.count <= 65_535 && !topic.utf8.contains(0)
            && mosquitto_sub_topic_check(topic) == MOSQ_ERR_SUCCESS.rawValue
    }

    /// Why TLS failed, if it did.
    var fault: TLSFault? {
        guard options.address.isEncrypted else { return nil }
        return TLSFault(callbacks, host: options.address)
    }

    /// Which file of ours OpenSSL could not use: libmosquitto says which one it was, and OpenSSL why.
    private var unusableFile: String? {
        guard let complaint = callbacks.complaint?.utf8 else { return nil }
        let why = callbacks.faults.first.map { ": \($0)" } ?? ""
        if complaint.has("CA certificates"), let file = options.caFile { return "cannot use \(file)\(why)" }
        if complaint.has("client certificate"), let file = options.certFile { return "cannot use \(file)\(why)" }
        guard let file = options.keyFile, let certificate = options.certFile else { return nil }
        if complaint.has("inconsistent") || why.utf8.has("mismatch") {
            return "cannot use \(file): it is not the key of \(certificate)"
        }
        return complaint.has("client key") ? "cannot use \(file)\(why)" : nil
    }

    private func attempt(_ call: () -> Int32) -> String? {
        errno = 0
        let code = call()
        let cause = errno
        return code == MOSQ_ERR_SUCCESS.rawValue ? nil : reason(for: code, cause: cause)
    }

    private func reason(for code: Int32, cause: Int32) -> String {
        if let unusableFile { return unusableFile }
        if let fault { return "TLS: \(fault.words)" }
        return switch mosq_err_t(code) {
        // What libmosquitto makes of OpenSSL's having nothing to say.
        case MOSQ_ERR_ERRNO where cause == EPROTO && options.address.isEncrypted: "the broker ended the connection"
        case MOSQ_ERR_ERRNO where cause != 0: Errno(cause).words
        case MOSQ_ERR_ERRNO where cause == EINTR: "it does not answer"
        // The line ended in the middle of a packet.
        case MOSQ_ERR_ERRNO: "the broker ended the connection"
        case MOSQ_ERR_EAI: words(resolver: cause)
        case MOSQ_ERR_CONN_LOST, MOSQ_ERR_NO_CONN: "the broker ended the connection"
        case MOSQ_ERR_KEEPALIVE: "the broker does not answer any more"
        case MOSQ_ERR_NOMEM: "no memory for what the broker sends"
        case MOSQ_ERR_PROTOCOL, MOSQ_ERR_MALFORMED_PACKET: "the broker broke the rules of MQTT"
        case MOSQ_ERR_MALFORMED_UTF8: "the broker sent a topic that is not UTF-8"
        default: words(code)
        }
    }
}

// What is set before dialling.
extension Handle {
    private func configure() throws(TransportError) {
        let number = version == .v5 ? MQTT_PROTOCOL_V5 : MQTT_PROTOCOL_V311
        try check(mosquitto_int_option(mosquitto, MOSQ_OPT_PROTOCOL_VERSION, number), "the version")
        // Without this libmosquitto would keep back what goes beyond twenty. In MQTT 5 the broker's number replaces it.
        try check(mosquitto_int_option(mosquitto, MOSQ_OPT_SEND_MAXIMUM, 65_535), "the number of publications")
        // Else libmosquitto writes an acknowledgement before it has told of the message; so it waits for `write`.
        if options.bridging != nil { try check(mosquitto_threaded_set(mosquitto, true), "to write when told") }
        if case .network = options.address.place {
            try check(mosquitto_int_option(mosquitto, MOSQ_OPT_TCP_NODELAY, 1), "no-delay")
        }
        try setUser()
        try setWill()
        if options.address.isEncrypted { try setTLS() }
    }

    private func setUser() throws(TransportError) {
        guard let username = options.username else {
            guard options.passwordFile == nil else { throw .refused("a password needs a user") }
            return
        }
        guard !username.utf8.contains(0) else { throw .refused("the broker's user has a NUL") }
        guard var password = try filed({ () throws(BrokerFileFault) in try options.readPassword() }) else {
            return try check(mosquitto_username_pw_set(mosquitto, username, nil), "the user")
        }
        guard !password.contains(0) else { throw .refused("the broker's password has a NUL") }
        password.append(0)
        let code = password.withUnsafeMutableBytes { bytes in
            guard let start = bytes.baseAddress else { return MOSQ_ERR_INVAL.rawValue }
            defer { explicit_bzero(start, bytes.count) }
            return mosquitto_username_pw_set(mosquitto, username, start.assumingMemoryBound(to: CChar.self))
        }
        try check(code, "user and password")
    }

    private func setWill() throws(TransportError) {
        guard let will = options.will else { return }
        guard !will.topic.utf8.contains(0) else { throw .refused("the will's topic has a NUL") }
        guard will.payload.count <= 65_535 else { throw .refused("the will is longer than 65535 bytes") }
        let code = will.payload.withUnsafeBytes {
            mosquitto_will_set_v5(
                mosquitto, will.topic, Int32($0.count), $0.baseAddress, will.qos, will.retain, nil)
        }
        try check(code, "the will for \(will.topic)")
    }

    /// The host's name is verified: it is libmosquitto's default, and no option changes it. `tlsv1.2` means "or newer".
    private func setTLS() throws(TransportError) {
        guard (options.certFile == nil) == (options.keyFile == nil) else {
            throw .refused("a client certificate needs its key file, and the other way round")
        }
        _ = try filed { () throws(BrokerFileFault) in try options.fileContents() }
        // A directory is searched by hash; the bundle in one file would cost two megabytes.
        let directory = options.caFile == nil ? "/etc/ssl/certs" : nil
        // Without this OpenSSL would ask the terminal for the password of a key.
        let noPassword: @convention(c) (UnsafeMutablePointer<CChar>?, Int32, Int32, UnsafeMutableRawPointer?) -> Int32 =
            { _, _, _, _ in 0 }
        try check(
            mosquitto_tls_set(mosquitto, options.caFile, directory, options.certFile, options.keyFile, noPassword),
            "the certificates")
        try check(mosquitto_tls_opts_set(mosquitto, 1, "tlsv1.2", nil), "TLS 1.2")
    }

    private func filed<T>(_ read: () throws(BrokerFileFault) -> T) throws(TransportError) -> T {
        do throws(BrokerFileFault) {
            return try read()
        } catch {
            throw .refused("\(error)")
        }
    }

    private func check(_ code: Int32, _ thing: String) throws(TransportError) {
        guard code == MOSQ_ERR_SUCCESS.rawValue else {
            throw .refused("libmosquitto refuses \(thing): \(words(code))")
        }
    }
}

/// A C array of C strings, for the time of `body`.
private func withStrings(_ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>?) -> Int32) -> Int32
{
    let copies = strings.map { strdup($0) }
    defer { copies.forEach { free($0) } }
    guard copies.allSatisfy({ $0 != nil }) else { return MOSQ_ERR_NOMEM.rawValue }
    return copies.withUnsafeBufferPointer { body($0.baseAddress) }
}
