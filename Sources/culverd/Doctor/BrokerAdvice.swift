import Agent
import DIMP
import Format
import Operations
import Transport

/// What a probe's findings mean, and the cure of each. Lines of a configuration are mosquitto's where they are the
/// broker's, for that is what most have.
@MainActor enum BrokerAdvice {
    typealias Subject = BrokerProbe.Subject

    static func unreachable(_ subject: Subject, _ reason: String) -> Check {
        let name = subject.setting.options.name
        guard subject.trouble != nil else {
            return Check(
                "broker", .warn, "\(name): our own link stands, but a second one is not let in: \(reason)",
                hint: "in mosquitto.conf: max_connections -1; no clientid_prefixes but culver-")
        }
        return Check("broker", .fail, "\(name): \(reason)", hint: hint(for: reason, subject))
    }

    static func reached(_ subject: Subject, _ version: MQTTVersion) -> [Check] {
        let (name, url) = (subject.setting.options.name, subject.setting.url)
        var checks: [Check] = []
        switch version {
        case .v5: checks.append(Check("broker", .ok, "\(name): \(url) answers by MQTT 5"))
        case .v311:
            checks.append(
                Check(
                    "broker", .warn,
                    "\(name): \(url) speaks only MQTT 3.1.1, where acknowledgements prove nothing, not even permission",
                    hint: "use a broker with MQTT 5: mosquitto 1.6 or newer"))
        }
        if let trouble = subject.trouble {
            // Our presence is a will that is to be retained: such a broker refuses the whole connection.
            let isAboutRetaining = trouble.utf8.has("retain")
            checks.append(
                Check(
                    "broker", isAboutRetaining ? .fail : .warn,
                    "\(name): it answers, but the daemon's own link is away: \(trouble)",
                    hint: isAboutRetaining ? "in mosquitto.conf: retain_available true" : "culver log --kind broker"))
        }
        return checks
    }

    /// By the words of the reason, which are the link's own.
    private static func hint(for reason: String, _ subject: Subject) -> String {
        let (name, options) = (subject.setting.options.name, subject.setting.options)
        let section = name == BrokerSettings.plain ? "[broker]" : "[broker \(name)]"
        let words = reason.utf8
        let port = if case .network(_, let port) = options.address.place { "\(port)" } else { "" }
        if words.has("cannot read ") {
            return "\(section) names that file: put it there, or correct the line; the daemon's user must read it"
        }
        if words.has("is not for") {
            return "\(section) url = mqtts://NAME:\(port), with a name that the broker's certificate is for"
        }
        if words.has("self-signed") || words.has("self signed") || words.has("local issuer")
            || words.has("certificate verify failed")
        {
            if words.has("expired") { return "renew the broker's certificate, or set the clock: timedatectl" }
            // libmosquitto does not always say why: an expired one is no matter of ca_file.
            let isUnexplained = reason.hasSuffix("certificate verify failed")
            return "\(section) ca_file = FILE, with the certificate of who signed the broker's"
                + (isUnexplained ? "; if it is that: openssl x509 -dates tells whether one has expired" : "")
        }
        if words.has("expired") || words.has("not yet valid") {
            return "renew the broker's certificate, or set the clock: timedatectl"
        }
        if words.has("client certificate") || words.has("alert") {
            return "\(section) cert_file = FILE and key_file = FILE, as the broker wants them"
        }
        if words.has("TLS") { return "\(section) url = mqtt://… if port \(port) is without TLS, else another port" }
        if words.has("authori") || words.has("password") || words.has("refuses us") {
            return "\(section) username = NAME and password_file = FILE, as the broker knows them"
        }
        if words.has("not known") || words.has("resolution") || words.has("associated with") {
            return "getent hosts \(host(options) ?? ""); or \(section) url = mqtt://ADDRESS"
        }
        if words.has("refused") {
            return isLocal(options)
                ? "systemctl start mosquitto" : "on the broker's machine: systemctl start mosquitto; listener \(port)"
        }
        if words.has("before it answered") || words.has("no answer") || words.has("rules of MQTT") {
            return
                "\(section) url = mqtts://\(host(options) ?? ""):\(port) if the broker wants TLS there, else another port"
        }
        return "culver log --kind broker; ping \(host(options) ?? "")"
    }

    // MARK: - Encryption

    static func encryption(_ subject: Subject, _ validity: Validity?) -> [Check] {
        let (name, options) = (subject.setting.options.name, subject.setting.options)
        guard options.address.isEncrypted else {
            guard !isLocal(options) else {
                return [Check("encryption", .ok, "\(name): the broker is on this machine")]
            }
            return [
                Check(
                    "encryption", .warn,
                    "\(name): not encrypted: the network sees who writes to whom, and the password",
                    hint: "url = mqtts://\(host(options) ?? ""):8883, and ca_file = FILE if the authority is your own")
            ]
        }
        guard let validity else { return [] }
        let both = [("the broker's certificate", validity.broker), ("our own certificate", validity.own)]
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

    static func access(_ subject: Subject, _ finding: BrokerProbe.Finding) -> Check {
        let name = subject.setting.options.name
        for identity in subject.identities {
            let topic = subject.setting.topics.text(.inbox(identity.id.address))
            guard !finding.echoed.contains(topic) else { continue }
            let reason =
                finding.denied[topic] ?? finding.lost
                ?? "what was written to it did not come back: the broker denies writing or reading it"
            let hint = reason.utf8.has("QoS") ? "in mosquitto.conf: max_qos 2" : acl(subject, identity, topic)
            return Check("access", .fail, "\(name): \(topic): \(reason)", hint: hint)
        }
        return Check("access", .ok, "\(name): what is written to our own topics comes back")
    }

    static func directory(_ subject: Subject, _ finding: BrokerProbe.Finding) -> Check {
        let (name, topics) = (subject.setting.options.name, subject.setting.topics)
        var missing: [String] = []
        for (index, identity) in subject.identities.enumerated() {
            let address = identity.id.address
            let meta = finding.retained[topics.text(.meta(address))].flatMap { try? Meta(try? JSON(parsing: $0)) }
            if meta?.vouches(for: identity.id) != true { missing.append(topics.text(.meta(address))) }
            let visa = finding.retained[topics.text(.visa(address))].flatMap { try? Document(try? JSON(parsing: $0)) }
            // An older one names a key that is not ours any more: what is written with it cannot be opened.
            let isOurs = (try? visa?.check(about: identity.id, meta: identity.meta)) != nil
            if !isOurs || (visa?.time ?? 0) < identity.visa.time { missing.append(topics.text(.visa(address))) }
            let state = topics.text(.state(address))
            let statement = finding.retained[state].flatMap { Statement($0, by: identity) }
            if index == 0, statement == nil { missing.append(state) }
        }
        guard let first = missing.first else {
            return Check("directory", .ok, "\(name): meta, visa and state stand there for those who know our ID")
        }
        let isDown = subject.trouble != nil
        return Check(
            "directory", isDown ? .warn : .fail,
            "\(name): ours does not stand in \(missing.count == 1 ? first : "\(first) and \(missing.count - 1) more"), "
                + "so an ID alone is not enough to write to us",
            hint: isDown
                ? "culver log --kind broker"
                : "in mosquitto.conf: retain_available true; "
                    + acl(subject, subject.identities[0], "\(topics.root)/\(subject.identities[0].id.address)/#"))
    }

    private static func acl(_ subject: Subject, _ identity: Identity, _ topic: String) -> String {
        let place = subject.setting.options.username.map { "below `user \($0)`" } ?? "at the top, for all"
        return "in the broker's acl_file, \(place): topic readwrite \(topic)"
    }

    // MARK: - Queue

    static func queue(_ subject: Subject, _ count: Int, of sent: Int) -> Check {
        let name = subject.setting.options.name
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

    // MARK: - Where it is

    static func host(_ options: BrokerOptions) -> String? {
        if case .network(let host, _) = options.address.place { host } else { nil }
    }

    static func isLocal(_ options: BrokerOptions) -> Bool {
        guard let host = host(options) else { return true }
        return host == "localhost" || host == "::1" || host.hasPrefix("127.")
    }
}
