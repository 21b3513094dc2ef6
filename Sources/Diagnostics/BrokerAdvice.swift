import Format

/// What the findings of a probe of one broker mean, and the cure of each. Lines of a configuration are mosquitto's where
/// they are the broker's, for that is what most have.
///
/// The probe itself is the daemon's, which has the connections; here are the words alone, about plain values.
package struct BrokerAdvice: Sendable {
    private let broker: BrokerFacts
    private var name: String { broker.name }

    package init(on broker: BrokerFacts) {
        self.broker = broker
    }

    package func unreachable(_ reason: String) -> Check {
        guard broker.trouble != nil else {
            return Check(
                "broker", .warn, "\(name): our own link stands, but a second one is not let in: \(reason)",
                hint: "in mosquitto.conf: max_connections -1; no clientid_prefixes but culver-")
        }
        return Check("broker", .fail, "\(name): \(reason)", hint: hint(for: reason))
    }

    /// `isNewest`: it speaks MQTT 5.
    package func reached(isNewest: Bool) -> [Check] {
        var checks: [Check] = []
        if isNewest {
            checks.append(Check("broker", .ok, "\(name): \(broker.url) answers by MQTT 5"))
        } else if broker.speaksFive {
            checks.append(
                Check(
                    "broker", .warn,
                    "\(name): \(broker.url) is spoken to by MQTT 3.1.1 for now, because it was silent or starts of the "
                        + "daemon ended",
                    hint: "culver log --kind broker; MQTT 5 is offered again within a day"))
        } else {
            checks.append(
                Check(
                    "broker", .warn,
                    "\(name): \(broker.url) speaks only MQTT 3.1.1, where acknowledgements prove nothing, "
                        + "not even permission",
                    hint: "use a broker with MQTT 5: mosquitto 1.6 or newer"))
        }
        if let doubt = broker.rootDoubt {
            checks.append(
                Check(
                    "broker", .warn, "\(name): \(doubt)", hint: "\(broker.section) topic_root = dim/v1, on all boards"))
        }
        if let trouble = broker.trouble {
            checks.append(
                Check(
                    "broker", .warn, "\(name): it answers, but the daemon's own link is away: \(trouble)",
                    hint: "culver log --kind broker"))
        }
        return checks
    }

    /// By the words of the reason, which are the link's own.
    private func hint(for reason: String) -> String {
        let (section, words) = (broker.section, reason.utf8)
        let (host, port) = (broker.host ?? "", broker.port.map { "\($0)" } ?? "")
        if words.has("cannot read ") {
            return "\(section) names that file: put it there, or correct the line; the daemon's user must read it"
        }
        if words.has("cannot use ") { return "\(section) names that file: put a good one there, in PEM form" }
        if words.has("is not for") {
            return "\(section) url = mqtts://NAME:\(port), with a name that the broker's certificate is for"
        }
        if words.has("alert"), words.has("expired") { return "renew our own certificate: \(section) cert_file" }
        if words.has("not yet valid") {
            return "set the clock: timedatectl set-ntp true; or renew the broker's certificate"
        }
        if words.has("expired") { return "renew the broker's certificate, or set the clock: timedatectl" }
        if words.has("self-signed") || words.has("self signed") || words.has("local issuer")
            || words.has("certificate verify failed")
        {
            // OpenSSL does not always say why: a certificate that is over is no matter of ca_file.
            let isUnexplained = reason.hasSuffix("certificate verify failed")
            return "\(section) ca_file = FILE, with the certificate of who signed the broker's"
                + (isUnexplained ? "; if it is that: openssl x509 -dates tells whether one has expired" : "")
        }
        if words.has("client certificate") || words.has("alert") {
            return "\(section) cert_file = FILE and key_file = FILE, as the broker wants them"
        }
        // Never to do without TLS: a password would go out in the clear.
        if words.has("TLS") {
            return "\(section) url = mqtts://\(host):PORT, with the port on which the broker speaks TLS"
        }
        if words.has("authori") || words.has("password") || words.has("refuses us") {
            return "\(section) username = NAME and password_file = FILE, as the broker knows them"
        }
        if words.has("not known") || words.has("resolution") || words.has("associated with") {
            return "getent hosts \(host); or its address in /etc/hosts"
        }
        if words.has("refused") {
            return broker.isLocal
                ? "systemctl start mosquitto" : "on the broker's machine: systemctl start mosquitto; listener \(port)"
        }
        if words.has("before it answered") || words.has("no answer") || words.has("rules of MQTT") {
            return
                "\(section) url = mqtts://\(host):\(port) if the broker wants TLS there, else another port"
        }
        return "culver log --kind broker; ping \(host)"
    }

    // MARK: - What CONNACK grants

    /// What an MQTT 5 broker grants to the daemon's link. `session`: seconds; `inFlight`: how many publications it takes
    /// at once, and `packet`: bytes of the longest, `nil` where it has no limit; `expiry`: seconds that a message waits at
    /// most; `message`: bytes of the longest packet that this board writes.
    package func grants(
        session: Int64, inFlight: Int64?, packet: Int64?, keepsRetained: Bool, expiry: Int64, message: Int64
    ) -> [Check] {
        var (faults, hints): ([String], [String]) = ([], [])
        if session < expiry {
            faults.append("what waits longer for a board that is away is kept by its sender alone, which repeats it")
            hints.append("in mosquitto.conf: persistent_client_expiration 31d; other brokers: docs/brokers.md")
        }
        if let packet, packet < message {
            faults.append("larger messages than it takes stay here")
            hints.append("in mosquitto.conf: max_packet_size 0; or in culver.conf: [limits] message, smaller than that")
        }
        if !keepsRetained {
            faults.append("an ID alone is not enough to write to us")
            hints.append("in mosquitto.conf: retain_available true; or give your card: culver id show --card")
        }
        let text =
            "\(name): it ends our session \(Self.words(seconds: session)) after we have gone, takes "
            + (inFlight.map { "\($0) messages at once" } ?? "any number of messages at once")
            + (packet.map { " of \($0) bytes at most" } ?? " of any size")
            + ", and keeps \(keepsRetained ? "retained ones" : "none that are retained")"
        guard !faults.isEmpty else { return [Check("grants", .ok, text)] }
        return [
            Check("grants", .warn, "\(text): \(faults.joined(separator: "; "))", hint: hints.joined(separator: "; "))
        ]
    }

    private static func words(seconds: Int64) -> String {
        let (length, unit) =
            [(86_400, "d"), (3_600, "h"), (60, "min")].first { seconds % $0.0 == 0 && seconds > 0 } ?? (1, "s")
        return "\(seconds / Int64(length)) \(unit)"
    }

    // MARK: - Encryption

    /// `days`: how long the certificates of a connection are valid, as far as that is known; `nil` without a connection.
    package func encryption(days: (broker: Int?, own: Int?)?) -> [Check] {
        guard broker.isEncrypted else {
            guard !broker.isLocal else {
                return [Check("encryption", .ok, "\(name): the broker is on this machine")]
            }
            return [
                Check(
                    "encryption", .warn,
                    "\(name): not encrypted: the network sees who writes to whom, and the password",
                    hint: "url = mqtts://\(broker.host ?? ""):8883, and ca_file = FILE if the authority is your own")
            ]
        }
        guard let days else { return [] }
        let both = [("the broker's certificate", days.broker), ("our own certificate", days.own)]
        let checks = both.compactMap { what, days -> Check? in
            guard let days else { return nil }
            let isShort = days < 14
            return Check(
                "encryption", days < 3 ? .fail : isShort ? .warn : .ok,
                "\(name): \(what) is valid for \(days) more day\(days == 1 ? "" : "s")",
                hint: isShort ? "renew \(what)" : nil)
        }
        return checks.isEmpty ? [Check("encryption", .ok, "\(name): TLS")] : checks
    }

    // MARK: - Topics

    /// `denied`: the first of our own topics that what was written to did not come back from, and why if that is known.
    package func access(denied: (topic: String, reason: String?)?) -> Check {
        guard let (topic, known) = denied else {
            return Check("access", .ok, "\(name): what is written to our own topics comes back")
        }
        let reason = known ?? "what was written to it did not come back: the broker denies writing or reading it"
        // A broker that knows the topic by another name denies nothing.
        let hint = broker.rootDoubt ?? (reason.utf8.has("QoS") ? "in mosquitto.conf: max_qos 2" : acl(topic))
        return Check("access", .fail, "\(name): \(topic): \(reason)", hint: hint)
    }

    /// The same of the topics for acknowledgements. Everything comes without them, later and with more private-key work.
    package func acknowledgements(denied: (topic: String, reason: String?)?) -> [Check] {
        guard let (topic, known) = denied else { return [] }
        let reason = known ?? "what was written to it did not come back: the broker denies writing or reading it"
        return [
            Check(
                "access", .warn,
                "\(name): \(topic): \(reason); so each message is repeated until a signed receipt comes",
                hint: broker.rootDoubt ?? acl(topic))
        ]
    }

    /// `topics`: inboxes on which a retained message stands. It comes again at every connection, and counts once.
    package func retainedMessages(on topics: [String]) -> [Check] {
        topics.map {
            Check(
                "access", .warn, "\(name): a retained message stands on \($0), and comes at every connection",
                hint: "mosquitto_pub -h \(broker.host ?? "HOST") -r -n -t \($0)")
        }
    }

    /// `missing`: our retained topics in which something else stands, or nothing; `all`: a filter that takes them;
    /// `isKept`: false where the broker says that it keeps nothing retained.
    package func directory(missing: [String], all: String, isKept: Bool) -> Check {
        guard let first = missing.first else {
            return Check("directory", .ok, "\(name): meta, visa and state stand there for those who know our ID")
        }
        var (result, hint) = (Check.Result.fail, "in mosquitto.conf: retain_available true; " + acl(all))
        if !isKept { (result, hint) = (.warn, "in mosquitto.conf: retain_available true; or give your card") }
        if broker.trouble != nil { (result, hint) = (.warn, "culver log --kind broker") }
        return Check(
            "directory", result,
            "\(name): ours does not stand in \(missing.count == 1 ? first : "\(first) and \(missing.count - 1) more"), "
                + "so an ID alone is not enough to write to us",
            hint: hint)
    }

    private func acl(_ topic: String) -> String {
        let place = broker.username.map { "below `user \($0)`" } ?? "at the top, for all"
        return "in the broker's acl_file, \(place): topic readwrite \(topic)"
    }

    // MARK: - Queue

    package func queue(_ count: Int, of sent: Int) -> Check {
        let rest = "; the senders repeat them until the receipt"
        if count == 0 {
            return Check(
                "queue", .warn, "\(name): it keeps nothing for a board that is away\(rest)",
                hint: "in mosquitto.conf: persistence true; max_queued_messages 1000; persistent_client_expiration 31d")
        }
        guard count < sent else {
            return Check("queue", .ok, "\(name): it keeps messages for a board that is away: \(count) of \(sent) came")
        }
        return Check(
            "queue", .warn, "\(name): it keeps only about \(count) messages for a board that is away\(rest)",
            hint: "in mosquitto.conf: max_queued_messages 1000; max_queued_bytes 0")
    }

    package func queueUntried(_ reason: String) -> Check {
        Check(
            "queue", .warn, "\(name): whether it keeps messages could not be tried: \(reason)",
            hint: "culver doctor    # again; in mosquitto.conf: max_connections -1")
    }
}
