import Crypto
package import Format

/// A group as this board knows it: the commands that count, and who its members are by them (extensions.md 8). What does
/// not count any more is dropped: commands before one by which the owner says everything.
package struct KnownGroup: Sendable, Equatable {
    package let id: ID
    /// The label that this board gave it.
    package var name: String?
    /// When this board heard of it first, in seconds since 1970; 0: nobody knows.
    package var learnt = 0.0
    /// Its meta and bulletin as a signed broadcast that any member may hand on; `nil` when none came.
    package private(set) var card: JSONObject?
    /// In order.
    package private(set) var records: [GroupRecord] = []
    package private(set) var membership: Membership

    /// Groups of one board.
    package static let limit = 64
    /// Commands that are kept, and their bytes beside the one by which the owner says everything.
    package static let recordLimit = 512
    package static let byteLimit = 192 << 10
    /// Of these, commands of signers that were not in charge when they gave them: the rest is for the owner and the
    /// administrators.
    package static let othersLimit = 192
    package static let othersByteLimit = 96 << 10
    /// Of these again, commands without effect, of one signer and of all. What gives them an effect may yet come.
    package static let idleOfOne = 8
    package static let idleOfAll = 64
    /// Bytes of meta and bulletin as a broadcast.
    package static let cardLimit = 16 << 10

    package init(_ id: ID, foundedBy founder: ID, records: [GroupRecord] = []) {
        self.id = id.bare
        self.records = records.sorted(by: <)
        membership = Membership(foundedBy: founder)
        prune()
        evaluate()
    }

    package enum Reception: Sendable, Equatable {
        /// The members, offices or requests are others now.
        case changed
        /// It is remembered and changes nothing, now at least; with the reason, if its signer has no authority.
        case kept(String?)
        /// It came before.
        case known
        /// It is not remembered, for this reason, and changes nothing.
        case refused(String)
    }

    /// What proves the group to others. False for what is too long to be handed on: then the one before stays.
    @discardableResult
    package mutating func show(_ card: JSONObject) -> Bool {
        guard JSON.object(card).bytes.count <= Self.cardLimit else { return false }
        self.card = card
        return true
    }

    /// A command of a verified signer.
    package mutating func take(_ record: GroupRecord) -> Reception {
        if let index = records.firstIndex(where: { $0.digest == record.digest }) {
            // The same command with its proof can be handed on.
            guard records[index].message == nil, record.message != nil else { return .known }
            let others = bytes - records[index].footprint
            guard isBase(record) || others + record.footprint <= Self.byteLimit else { return .known }
            records[index] = record
            return .kept(nil)
        }
        if let base = records.first(where: { isBase($0) }), record < base {
            return .refused("the command is older than the owner's last reset")
        }
        let isWithinLimits = records.count < Self.recordLimit && bytes + record.footprint <= Self.byteLimit
        guard isBase(record) || isWithinLimits else {
            return .refused("the history of the group is full: its owner has to reset it")
        }
        let before = self
        records.insert(record, at: records.firstIndex { record < $0 } ?? records.endIndex)
        prune()
        let occupancy = evaluate(for: record)
        if let excess = occupancy.excess {
            self = before
            return .refused(occupancy.refusal ?? excess)
        }
        return membership == before.membership ? .kept(occupancy.refusal) : .changed
    }

    /// What would become of a command: for the one who is to give it.
    package func verdict(on record: GroupRecord) -> Reception {
        var group = self
        return group.take(record)
    }

    /// What the commands of those that are not in charge take up.
    private struct Occupancy {
        var others = 0
        var otherBytes = 0
        var idle = 0
        /// Without effect, and of the signer of the new command.
        var idleOfSigner = 0
        /// The new command is of one that is not in charge, and has no effect.
        var isOfOther = false
        var isIdle = false
        /// Why the new command has no authority, if so.
        var refusal: String?

        /// Why the new command is not kept.
        var excess: String? {
            if isIdle, idleOfSigner > KnownGroup.idleOfOne || idle > KnownGroup.idleOfAll {
                return "there are enough commands that change nothing"
            }
            if isOfOther, others > KnownGroup.othersLimit || otherBytes > KnownGroup.othersByteLimit {
                return "those who are not in charge have said enough: the owner has to reset the group"
            }
            return nil
        }
    }

    @discardableResult
    private mutating func evaluate(for news: GroupRecord? = nil) -> Occupancy {
        var occupancy = Occupancy()
        var membership = Membership(foundedBy: membership.owner)
        for record in records {
            let isInCharge = membership.isInCharge(record.signer)
            let ruling = membership.apply(record)
            if record.digest == news?.digest, case .refused(let reason) = ruling { occupancy.refusal = reason }
            if isInCharge { continue }
            occupancy.others += 1
            occupancy.otherBytes += record.footprint
            let isIdle = ruling != .changed
            if isIdle {
                occupancy.idle += 1
                if record.signer.address == news?.signer.address { occupancy.idleOfSigner += 1 }
            }
            if record.digest == news?.digest { (occupancy.isOfOther, occupancy.isIdle) = (true, isIdle) }
        }
        self.membership = membership
        return occupancy
    }

    /// So long that the owner had better say everything anew.
    package var isLong: Bool {
        var group = self
        let occupancy = group.evaluate()
        return records.count > Self.recordLimit / 2 || bytes > Self.byteLimit / 2
            || occupancy.others > Self.othersLimit / 2
            || occupancy.otherBytes > Self.othersByteLimit / 2
    }

    /// What the owner has to say once more because others cannot know it, or do not obey it.
    package struct Unsettled: Sendable {
        /// Who was expelled since the last reset and is no member now, each with the signer of that command.
        package var expelled: [(member: ID, by: ID)] = []
        /// Whether the members or administrators are what they are by a command that cannot be handed on.
        package var isWithoutProof = false
    }

    package var unsettled: Unsettled {
        var unsettled = Unsettled()
        var now = Membership(foundedBy: membership.owner)
        for record in records {
            let before = now
            if case .refused = now.apply(record) { continue }
            switch record.act {
            case .reset: unsettled.expelled = []
            case .expel:
                unsettled.expelled += before.members.filter { !now.contains($0) }.map { ($0, record.signer) }
            default: break
            }
            if record.message == nil, now.members != before.members || now.administrators != before.administrators {
                unsettled.isWithoutProof = true
            }
        }
        unsettled.expelled.removeAll { now.contains($0.member) }
        return unsettled
    }

    private var bytes: Int { records.reduce(0) { isBase($1) ? $0 : $0 + $1.footprint } }

    private func isBase(_ record: GroupRecord) -> Bool {
        record.saysEverything && record.signer.address == membership.owner.address
    }

    private mutating func prune() {
        guard let last = records.lastIndex(where: { isBase($0) }) else { return }
        records.removeFirst(last)
    }

    /// Whether somebody was a member at a time, in seconds since 1970, as far as the commands that count reach back.
    package func wasMember(_ id: ID, at time: Double) -> Bool {
        let earlier = records.filter { $0.time <= time }
        return Membership(foundedBy: membership.owner, by: earlier).contains(id)
    }

    /// A place for the next command that comes after all that are known: the time, in seconds since 1970, and the lowest
    /// serial number. A clock that is behind those of others, or several commands in one second, keep the order so. It is a
    /// whole second, unless an application has written a fraction: the next whole second would be too late, because what
    /// somebody says in that same second, after this command, comes after it.
    package func next(at wall: Double) -> (time: Double, leastSN: Int64) {
        guard let last = records.last, last.time >= wall.rounded(.down) else { return (wall.rounded(.down), 1) }
        guard last.sn < GroupRecord.largestSN else { return (last.time.rounded(.down) + 1, 1) }
        return (last.time, last.sn + 1)
    }

    /// A short name of the commands that count: another one with every change.
    package var edition: String {
        Hex.encode(Array(Digest.sha256(records.flatMap(\.digest)).prefix(3)))
    }

    /// A short name of who the members and offices are. Members with different ones ask each other.
    package var roll: String {
        let offices = membership.administrators.map(\.address.text).sorted().joined(separator: " ")
        let members = membership.members.map(\.address.text).sorted().joined(separator: " ")
        return Base64.encode(Array(Digest.sha256(Array("\(members)/\(offices)".utf8)).prefix(6)))
    }
}
