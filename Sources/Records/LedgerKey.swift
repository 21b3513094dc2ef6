package import DIMP

/// The name of a small value that the ledger keeps: a counter, a stream of numbers, the time lived. Every such name of the
/// package is a case here, so that two modules cannot spell one differently.
package enum LedgerKey: Sendable, Hashable {
    /// Seconds that this installation has lived, over all restarts.
    case lived
    /// The last own time, in seconds since 1970.
    case wall
    /// The boot of the board in which `boottime` was read, and the seconds since that boot.
    case boot, boottime
    /// The mark of the directory on its disk; another one there means that the messages are a copy.
    case place
    /// The start that is stated to others: its random name, and when it began in seconds since 1970.
    case presenceBoot, presenceAt
    /// What a contact was last found to state: whether it is online, since when, and by which start.
    case presence(of: Address)
    /// How many starts in a row ended soon after this broker was connected.
    case quickEnds(broker: String)
    /// The client id that is in use at this broker, and those whose sessions there are still to be removed.
    case clientIDs(broker: String)
    /// What was learnt of this broker: how it is to be dialled.
    case knowledge(broker: String)
    /// When ages were last looked at: seconds since 1970 and seconds lived.
    case tidied
    /// The newest time of a content whose digest was dropped, in seconds since 1970: nothing as old is taken any more.
    case forgottenUntil
    /// The random name of the stream of numbers under which this identity sends.
    case stream(Address)
    /// The last number that this identity gave to a message of this priority for this receiver.
    case sequence(from: Address, to: Address, priority: Priority)
    /// The numbers that came from this sender to this identity, for a target: the identity itself or a group.
    case window(owner: Address, sender: Address, target: Address)
    /// When a message to a stock peer was first tried, in seconds lived; by the message's id.
    case tried(String)
    /// The retained topics of a removed identity that are still to be cleared on this broker.
    case clearing(Address, broker: String)
    /// The ID of an identity that is being removed.
    case removed(Address)
    /// A file that comes in pieces, by its sender's name for it.
    case file(String)
    /// Up to which message of the inbox its files were put into the owner's directory.
    case filesDelivered
    /// There when no calls are run.
    case callsOff
    /// What was written before this is no call, in seconds since 1970.
    case callsSince
    /// The oldest line that the files of the audit have: its number and its hash; two of them while a file is replaced.
    case auditFront
    /// The peer of a bridge, as its section named it last.
    case bridge(String)
    /// The random name and the last number of the streams that programs of this board write.
    case pipeStreams

    package var text: String {
        switch self {
        case .lived: "lived"
        case .wall: "wall"
        case .boot: "boot"
        case .boottime: "boottime"
        case .place: "place"
        case .presenceBoot: "presence boot"
        case .presenceAt: "presence at"
        case .presence(let address): "seen \(address)"
        case .quickEnds(let broker): "unsteady \(broker)"
        case .clientIDs(let broker): "client \(broker)"
        case .knowledge(let broker): "broker \(broker)"
        case .tidied: "tidied"
        case .forgottenUntil: "forgotten until"
        case .stream(let address): "stream \(address)"
        case .sequence(let sender, let receiver, .normal): "sequence \(sender) \(receiver)"
        case .sequence(let sender, let receiver, let priority): "sequence \(sender) \(receiver) \(priority)"
        case .window(let owner, let sender, let target): "window \(owner) \(sender) \(target)"
        case .tried(let id): "tried \(id)"
        case .clearing(let address, let broker): "clear \(address) \(broker)"
        case .removed(let address): "gone \(address)"
        case .file(let id): "file \(id)"
        case .filesDelivered: "delivered files"
        case .callsOff: "calls off"
        case .callsSince: "calls since"
        case .auditFront: "audit front"
        case .bridge(let name): "bridge \(name)"
        case .pipeStreams: "pipe streams"
        }
    }

    /// `nil` for a text that is no name of this version: a later one may have written it.
    package init?(_ text: String) {
        let words = text.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
        let rest = words.count > 1 ? String(words[1]) : ""
        let addresses = rest.split(separator: " ", omittingEmptySubsequences: false).map { Address(String($0)) }
        switch (words.first, addresses.count) {
        case ("lived", _): self = .lived
        case ("wall", _): self = .wall
        case ("boot", _): self = .boot
        case ("boottime", _): self = .boottime
        case ("place", _): self = .place
        case ("presence", _) where rest == "boot": self = .presenceBoot
        case ("presence", _) where rest == "at": self = .presenceAt
        case ("unsteady", _): self = .quickEnds(broker: rest)
        case ("client", _): self = .clientIDs(broker: rest)
        case ("broker", _): self = .knowledge(broker: rest)
        case ("tidied", _): self = .tidied
        case ("forgotten", _) where rest == "until": self = .forgottenUntil
        case ("tried", _): self = .tried(rest)
        case ("file", _): self = .file(rest)
        case ("delivered", _) where rest == "files": self = .filesDelivered
        case ("calls", _) where rest == "off": self = .callsOff
        case ("calls", _) where rest == "since": self = .callsSince
        case ("audit", _) where rest == "front": self = .auditFront
        case ("bridge", _): self = .bridge(rest)
        case ("pipe", _) where rest == "streams": self = .pipeStreams
        case ("stream", 1):
            guard let address = addresses[0] else { return nil }
            self = .stream(address)
        case ("seen", 1):
            guard let address = addresses[0] else { return nil }
            self = .presence(of: address)
        case ("gone", 1):
            guard let address = addresses[0] else { return nil }
            self = .removed(address)
        case ("sequence", 2...3):
            let priority = rest.split(separator: " ").dropFirst(2).first.map { Priority(rawValue: String($0)) }
            guard let sender = addresses[0], let receiver = addresses[1], let priority = priority ?? .normal else {
                return nil
            }
            self = .sequence(from: sender, to: receiver, priority: priority)
        case ("window", 3):
            guard let owner = addresses[0], let sender = addresses[1], let target = addresses[2] else { return nil }
            self = .window(owner: owner, sender: sender, target: target)
        case ("clear", 1...):
            let parts = rest.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, let address = addresses[0] else { return nil }
            self = .clearing(address, broker: String(parts[1]))
        default: return nil
        }
        // One spelling for each name: "lived 5" is none, nor is an address in other letters.
        guard self.text.utf8.elementsEqual(text.utf8) else { return nil }
    }

    /// Names that are read or forgotten together.
    package enum Family: Sendable, Hashable {
        case streams
        case sequences(from: Address)
        case windows
        case windowsOf(owner: Address)
        case presences
        case clearings
        case clearingsOf(Address)
        case removed
        case files

        /// What the text of each name of the family begins with.
        package var prefix: String {
            switch self {
            case .streams: "stream "
            case .sequences(let sender): "sequence \(sender) "
            case .windows: "window "
            case .windowsOf(let owner): "window \(owner) "
            case .presences: "seen "
            case .clearings: "clear "
            case .clearingsOf(let address): "clear \(address) "
            case .removed: "gone "
            case .files: "file "
            }
        }
    }
}
