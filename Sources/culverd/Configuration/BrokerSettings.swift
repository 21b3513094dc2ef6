import Transport

/// `[broker]` or `[broker NAME]`
struct BrokerSettings: Settings, Sendable, Equatable {
    /// What `[broker]` is called.
    static let plain = "default"

    var name = plain
    var url = "mqtt://127.0.0.1:1883"
    var topicRoot = "dim/v1"
    /// `{address}` and `{hostname}` not yet filled in.
    var username: String?
    /// This and the next three: an absolute path, or the name of a systemd credential.
    var passwordFile: String?
    var caFile: String?
    var certFile: String?
    var keyFile: String?
    /// Seconds.
    var keepAlive = 60
    /// Messages to `anyone@anywhere`, `everyone@everywhere` and the like are taken.
    var broadcasts = false

    /// Its heading.
    var section: String { name == Self.plain ? "[broker]" : "[broker \(name)]" }

    static let keys = [
        "url", "topic_root", "username", "password_file", "ca_file", "cert_file", "key_file", "keep_alive",
        "broadcasts",
    ]

    mutating func set(_ key: String, to value: String) throws(InvalidValue) {
        switch key {
        case "url": url = try checkedURL(value)
        case "topic_root": topicRoot = try checkedTopic(value)
        case "username":
            username = value.isEmpty ? nil : try Values.template(value, allowing: ["{address}", "{hostname}"])
        case "password_file": passwordFile = try Values.file(value)
        case "ca_file": caFile = try Values.file(value)
        case "cert_file": certFile = try Values.file(value)
        case "key_file": keyFile = try Values.file(value)
        case "broadcasts": broadcasts = try Values.flag(value)
        default: keepAlive = try Values.duration(value, in: 5...65_535)
        }
    }

    /// What is wrong with the section as a whole.
    var fault: (key: String, words: String)? {
        if (certFile == nil) != (keyFile == nil) {
            return certFile == nil ? ("key_file", "needs cert_file too") : ("cert_file", "needs key_file too")
        }
        let files = [("ca_file", caFile), ("cert_file", certFile)]
        guard let file = files.first(where: { $0.1 != nil }), !url.lowercased().hasPrefix("mqtts://") else {
            return nil
        }
        return (file.0, "needs an url that begins with mqtts://, without which nothing is encrypted")
    }

    /// How the section says that its broker is reached. The user's name is not filled in.
    func options(clientID: String) throws(TransportError) -> BrokerOptions {
        BrokerOptions(
            name: name, address: try BrokerAddress(url: url), clientID: clientID, username: username,
            passwordFile: passwordFile.map(Host.credential), caFile: caFile.map(Host.credential),
            certFile: certFile.map(Host.credential), keyFile: keyFile.map(Host.credential), keepAlive: keepAlive)
    }

    /// What is wrong with the files that it names, for `--check`. Credentials are there for the unit alone.
    var fileFault: String? { fileFault(under: section) }

    /// The same under another heading.
    func fileFault(under heading: String) -> String? {
        do throws(TransportError) {
            let options = try options(clientID: "")
            do throws(BrokerFileFault) {
                _ = try options.fileContents()
                return nil
            } catch {
                let isCredential = !error.path.hasPrefix("/")
                return isCredential ? nil : "\(heading) \(error.key): \(error)"
            }
        } catch {
            return "\(error)"
        }
    }

    private func checkedURL(_ text: String) throws(InvalidValue) -> String {
        do throws(TransportError) {
            _ = try BrokerAddress(url: text)
            return text
        } catch {
            throw InvalidValue(error.description)
        }
    }

    private func checkedTopic(_ text: String) throws(InvalidValue) -> String {
        let levels = text.split(separator: "/", omittingEmptySubsequences: false)
        guard !levels.contains(""), !text.contains(where: { "+#".contains($0) }), !text.hasPrefix("$") else {
            throw InvalidValue("\(Values.quoted(text)) is no topic; write words with / between them, without + and #")
        }
        return text
    }
}
