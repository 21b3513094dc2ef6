import Crypto
package import Format

/// A group as this board knows it: the commands that count, and who its members are by them (extensions.md 8). What does
/// not count any more is dropped: commands before one by which the owner says everything.
package struct KnownGroup: Sendable, Equatable {
    package let id: ID
    /// The label that this board gave it.
    package var name: String?
    /// Its meta and bulletin as a signed broadcast that any member may hand on; `nil` when none came.
    package var card: JSONObject?
    /// In order.
    package private(set) var records: [GroupRecord] = []
    package private(set) var membership: Membership
    /// Of commands that have no effect, because their signers have no authority: what gives it may yet come.
    private var pending = 0

    /// Commands that are kept, and their bytes.
    package static let recordLimit = 512
    package static let byteLimit = 192 << 10
    /// Commands without effect that are kept, of one signer and of all.
    package static let pendingOfOne = 8
    package static let pendingOfAll = 64

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

    /// A command of a verified signer.
    package mutating func take(_ record: GroupRecord) -> Reception {
        if let index = records.firstIndex(where: { $0.digest == record.digest }) {
            // The same command with its proof can be handed on.
            guard records[index].message == nil, record.message != nil else { return .known }
            let others = records.reduce(-records[index].footprint) { $0 + $1.footprint }
            guard others + record.footprint <= Self.byteLimit else { return .known }
            records[index] = record
            return .kept(nil)
        }
        if let base = records.first(where: { isBase($0) }), record < base {
            return .refused("the command is older than the owner's last reset")
        }
        let bytes = records.reduce(record.footprint) { $0 + $1.footprint }
        guard isBase(record) || (records.count < Self.recordLimit && bytes <= Self.byteLimit) else {
            return .refused("the history of the group is full: its owner has to reset it")
        }
        let before = self
        records.insert(record, at: records.firstIndex { record < $0 } ?? records.endIndex)
        prune()
        let refusals = evaluate()
        let refusal = refusals[record.digest]
        let ofOne = records.count { $0.signer.address == record.signer.address && refusals[$0.digest] != nil }
        if let refusal, ofOne > Self.pendingOfOne || pending > Self.pendingOfAll {
            self = before
            return .refused(refusal)
        }
        return membership == before.membership ? .kept(refusal) : .changed
    }

    /// What would become of a command: for the one who is to give it.
    package func verdict(on record: GroupRecord) -> Reception {
        var group = self
        return group.take(record)
    }

    /// Why each command without authority has none, by digest.
    @discardableResult
    private mutating func evaluate() -> [[UInt8]: String] {
        var refusals: [[UInt8]: String] = [:]
        var membership = Membership(foundedBy: membership.owner)
        for record in records {
            if case .refused(let reason) = membership.apply(record) { refusals[record.digest] = reason }
        }
        self.membership = membership
        pending = refusals.count
        return refusals
    }

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
    /// serial number. A clock that is behind those of others, or several commands in one second, keep the order so.
    package func next(at wall: Double) -> (time: Double, leastSN: Int64) {
        guard let last = records.last, last.time >= wall.rounded(.down) else { return (wall.rounded(.down), 1) }
        return last.sn < .max ? (last.time, last.sn + 1) : (last.time + 1, 1)
    }

    /// A short name of who the members and offices are. Members with different ones ask each other.
    package var roll: String {
        let offices = membership.administrators.map(\.address.text).sorted().joined(separator: " ")
        let members = membership.members.map(\.address.text).sorted().joined(separator: " ")
        return Base64.encode(Array(Digest.sha256(Array("\(members)/\(offices)".utf8)).prefix(6)))
    }
}
