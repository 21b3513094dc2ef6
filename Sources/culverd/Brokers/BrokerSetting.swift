import Agent
import Crypto
import DIMP
import Transport

/// How one broker is reached, from its section of the configuration.
struct BrokerSetting: Sendable {
    var options: BrokerOptions
    var topics: Topics
    var url: String
    /// Broadcasts that come through it are taken.
    var hearsBroadcasts = false

    /// Whether a connection made by one does for the other.
    func connects(like other: BrokerSetting) -> Bool {
        let (one, two) = (options, other.options)
        return url == other.url && topics.root == other.topics.root && one.username == two.username
            && one.passwordFile == two.passwordFile && one.caFile == two.caFile && one.certFile == two.certFile
            && one.keyFile == two.keyFile && one.keepAlive == two.keepAlive
            && hearsBroadcasts == other.hearsBroadcasts
    }

    /// Stands for what the files hold that a connection reads: it is another when one of them was replaced.
    func digestOfFiles() throws(BrokerFileFault) -> [UInt8] {
        Digest.sha256(try options.fileContents().flatMap { Digest.sha256($0) })
    }
}

/// Topics by their meaning, as text below one root (extensions.md 1). Addresses are safe as topic levels, IDs are not.
struct Topics: Sendable, Equatable {
    var root: String

    /// What some brokers make of this root; `nil` where all of them take it as it is (docs/brokers.md).
    var doubt: String? {
        let odd = root.first { !($0.isASCII && ($0.isLetter || $0.isNumber) || "/-_".contains($0)) }
        guard let odd else { return nil }
        return
            "topic_root: \"\(root)\" has a \(odd == " " ? "blank" : "\"\(odd)\""), which some brokers change or refuse "
            + "(RabbitMQ, NATS); letters, digits, - and _ do everywhere"
    }

    func text(_ topic: Topic) -> String {
        switch topic {
        case .inbox(let address): address.isBroadcast ? "\(root)/\(address)" : "\(root)/\(address)/in"
        case .meta(let address): "\(root)/\(address)/meta"
        case .visa(let address): "\(root)/\(address)/visa"
        case .state(let address): "\(root)/\(address)/state"
        case .acknowledgements(let address): "\(root)/\(address)/ack"
        case .piece(let address, let file, let number): "\(root)/\(address)/file/\(file)/\(number)"
        }
    }

    /// `nil` for what is no topic of ours.
    func topic(of text: String) -> Topic? {
        guard text.hasPrefix(root + "/") else { return nil }
        let levels = text.dropFirst(root.count + 1).split(separator: "/", omittingEmptySubsequences: false)
        guard let address = Address(String(levels[0])) else { return nil }
        if address.isBroadcast { return text == self.text(.inbox(address)) ? .inbox(address) : nil }
        if levels.count == 4, levels[1] == "file", FileOffer.isID(String(levels[2])), let number = Int32(levels[3]) {
            return number >= 0 ? .piece(address, file: String(levels[2]), Int(number)) : nil
        }
        guard levels.count == 2 else { return nil }
        switch levels[1] {
        case "in": return .inbox(address)
        case "meta": return .meta(address)
        case "visa": return .visa(address)
        case "state": return .state(address)
        case "ack": return .acknowledgements(address)
        default: return nil
        }
    }

    /// What an identity of this board listens to, and what is looked up of others.
    func own(_ address: Address) -> [String] {
        [
            text(.inbox(address)), text(.acknowledgements(address)), text(.meta(address)), text(.visa(address)),
            text(.state(address)), "\(root)/\(address)/file/+/+",
        ]
    }

    /// What broadcasts come on.
    var broadcasts: [String] { [Address.anywhere, .everywhere].map { text(.inbox($0)) } }

    func card(_ address: Address) -> [String] {
        [text(.meta(address)), text(.visa(address))]
    }
}
