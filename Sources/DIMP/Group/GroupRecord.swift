import Crypto
package import Format

/// One command about who belongs to a group, as it is kept and shown to others (extensions.md 8).
///
/// It counts by itself, whatever way it came: who signed it, and what the signed content says. `message` is the signed
/// broadcast, which proves it to every member; one that came encrypted to us alone has none and cannot be handed on.
package struct GroupRecord: Sendable, Equatable {
    package let signer: ID
    package let act: Act
    /// Whom it is about, each once, without terminals.
    package let members: [ID]
    /// Of a `reset` or a bulletin: who is administrator afterwards. `nil`: the command does not say.
    package let administrators: [ID]?
    /// The content's, in seconds since 1970.
    package let time: Double
    package let sn: Int64
    /// SHA-256 of what it says, the same for all who got it.
    package let digest: [UInt8]
    package let message: JSONObject?

    package enum Act: String, Sendable, CaseIterable {
        case found, invite, expel, join, quit, reset, hire, fire, resign
        /// What the bulletin of an application says, and no command: these are administrators, and nobody else.
        case appoint
    }

    /// The largest serial number of a command: beyond it readers that count in floating point take two for one.
    package static let largestSN: Int64 = 1 << 53

    /// `nil` for a command that is not about members, such as `query`, and for one without a usable time or with too large
    /// a serial number: it would have no place among the others. `message`: without the sender's cards, which are added
    /// when it is handed on.
    package init?(_ content: Content, signedBy signer: ID, message: JSONObject? = nil) {
        guard let command = content.groupCommand, let act = Act(rawValue: command.name), let time = content.usableTime,
            content.sn <= Self.largestSN
        else { return nil }
        self.signer = signer.bare
        self.act = act
        // An application names those that it hires in `administrators`, another in `members`.
        let isOffice = act == .hire || act == .fire
        members = Self.distinct(command.members + (isOffice ? command.administrators : []))
        let says = (act == .reset || act == .appoint) && content.json["administrators"]?.array != nil
        administrators = says ? Self.distinct(command.administrators) : nil
        self.time = time
        sn = content.sn
        self.message = message
        let said: [JSON] = [
            .string(self.signer.address.text), .string(act.rawValue), .number(time), .integer(sn),
            .array(members.map { .string($0.address.text) }),
            administrators.map { .array($0.map { .string($0.address.text) }) } ?? .null,
        ]
        digest = Digest.sha256(JSON.array(said).bytes)
    }

    /// What a bulletin says about offices, in the name of the founder; `nil` if it says nothing. Applications hire and fire
    /// by a new bulletin, and send no command.
    package init?(_ bulletin: Document, of group: ID, foundedBy founder: ID) {
        guard let administrators = bulletin.administrators else { return nil }
        var content = Content(
            type: .history, sn: 1, time: bulletin.time, group: group,
            [
                "command": .string(Act.appoint.rawValue),
                "administrators": .array(administrators.map { .string($0.text) }),
            ])
        // With its fraction: it may be of the same second as the command that let them in.
        content.json["time"] = .number(bulletin.time)
        self.init(content, signedBy: founder)
    }

    /// A command that has a meaning here, or the question for the others.
    package static func isAbout(_ command: GroupCommand) -> Bool {
        command.name == "query" || Act(rawValue: command.name).map { $0 != .appoint } ?? false
    }

    private static func distinct(_ ids: [ID]) -> [ID] {
        var seen: Set<Address> = []
        return ids.compactMap { $0.isBroadcast || !seen.insert($0.address).inserted ? nil : $0.bare }
    }

    /// It determines the members and offices by itself, when the owner says it: nothing before it counts any more.
    var saysEverything: Bool { act == .reset && administrators != nil }

    /// About how many bytes it takes on disk.
    var footprint: Int { 192 + members.count * 48 + (message.map { JSON.object($0).bytes.count } ?? 0) }

    /// The order of commands is the same for everybody: by time, then serial number, then digest.
    package static func < (one: GroupRecord, other: GroupRecord) -> Bool {
        if one.time != other.time { return one.time < other.time }
        if one.sn != other.sn { return one.sn < other.sn }
        return one.digest.lexicographicallyPrecedes(other.digest)
    }
}

extension Content {
    /// A command about a group's members, or its meta and bulletin.
    package var isAboutGroup: Bool {
        if case .command(.documents(let id, _, _, _)) = body { return id.hasMembers }
        return groupCommand.map(GroupRecord.isAbout) ?? false
    }

    /// What a group consists of, and no question: a command about its members, or its bulletin.
    package var changesGroup: Bool {
        if case .command(.documents(let id, let documents, _, _)) = body { return id.hasMembers && !documents.isEmpty }
        return groupCommand.map { GroupRecord.isAbout($0) && $0.name != "query" } ?? false
    }

    /// The command about a group that this content is: a history command, or a command of the applications that write
    /// those under the number of commands (wire.md 7.2). `nil` for everything else.
    package var groupCommand: GroupCommand? {
        switch body {
        case .history(let command): command
        case .command(.other) where group != nil: GroupCommand(json)
        default: nil
        }
    }
}
