/// Who belongs to a group: a pure function of its founder and a set of commands (extensions.md 8). The same set gives the
/// same members, in whatever order it came.
///
///                       owner   administrator   member       outsider
///     reset             yes     yes             no           no
///     invite            yes     yes             a request    no
///     expel             yes     yes             no           no
///     hire              yes     no              no           no
///     fire              yes     yes             no           no
///     resign            no      yes             no           no
///     quit              no      yes             yes          no
///     join              no      no              no           a request
///
/// The founder is the owner for ever. Nobody expels or fires the owner, and no reset leaves the owner out.
package struct Membership: Sendable, Equatable {
    package let owner: ID
    /// In the order in which they came, the owner first.
    package private(set) var members: [ID]
    package private(set) var administrators: [ID] = []
    /// What an administrator may accept, by `invite`, or refuse, by `expel`.
    package private(set) var requests: [MembershipRequest] = []
    private var places: Set<Address>

    /// Members of one group.
    package static let limit = 1_000
    /// Requests that are remembered; each is by another member.
    package static let requestLimit = 256

    /// Of a group of which nothing but the founder is known.
    package init(foundedBy owner: ID) {
        self.owner = owner.bare
        members = [owner.bare]
        places = [owner.address]
    }

    /// `records` in any order.
    package init(foundedBy owner: ID, by records: some Sequence<GroupRecord>) {
        self.init(foundedBy: owner)
        for record in records.sorted(by: <) { _ = apply(record) }
    }

    package enum Office: Sendable, Equatable {
        case owner, administrator, member, outsider
    }

    package func office(of id: ID) -> Office {
        if id.address == owner.address { return .owner }
        guard places.contains(id.address) else { return .outsider }
        return administrators.contains { $0.address == id.address } ? .administrator : .member
    }

    package func isInCharge(_ id: ID) -> Bool {
        let office = office(of: id)
        return office == .owner || office == .administrator
    }

    package func contains(_ id: ID) -> Bool { places.contains(id.address) }

    /// What a command does now, after those before it.
    package enum Ruling: Sendable, Equatable {
        case changed
        /// It may be given, and all is so already.
        case unchanged
        /// Its signer may not give it, for this reason.
        case refused(String)
    }

    /// The next command in order.
    mutating func apply(_ record: GroupRecord) -> Ruling {
        let office = office(of: record.signer)
        let isInCharge = isInCharge(record.signer)
        let before = self
        switch record.act {
        case .found:
            guard office == .owner else { return .refused("only the founder founds a group") }
            add(record.members)
        case .reset:
            guard isInCharge else { return .refused("\(record.signer) may not reset the members") }
            reset(record, isByOwner: office == .owner)
        case .invite:
            guard office != .outsider else { return .refused("\(record.signer) is no member") }
            guard isInCharge else {
                request(record.members.filter { !contains($0) }, by: record)
                break
            }
            guard add(record.members) else { return .refused("the group has \(Self.limit) members") }
        case .expel:
            guard isInCharge else { return .refused("\(record.signer) may not expel") }
            guard !record.members.contains(where: { $0.address == owner.address }) else {
                return .refused("the owner cannot be expelled")
            }
            remove(record.members)
            requests.removeAll { request in record.members.contains { $0.address == request.member.address } }
        case .join:
            guard office == .outsider else { return .unchanged }
            request([record.signer], by: record)
        case .quit:
            guard office != .owner else { return .refused("the owner cannot quit") }
            guard office != .outsider else { return .unchanged }
            remove([record.signer])
        case .hire:
            guard office == .owner else { return .refused("only the owner hires") }
            for id in record.members where self.office(of: id) == .member {
                administrators.append(id)
            }
        case .appoint:
            guard office == .owner else { return .refused("only the owner hires") }
            administrators = []
            for id in record.administrators ?? [] where self.office(of: id) == .member {
                administrators.append(id)
            }
        case .fire:
            guard isInCharge else { return .refused("\(record.signer) may not fire") }
            dismiss(record.members)
        case .resign:
            guard office != .owner else { return .refused("the owner cannot resign") }
            dismiss([record.signer])
        }
        return self == before ? .unchanged : .changed
    }

    /// False when the group is full; then nobody comes in.
    @discardableResult
    private mutating func add(_ ids: [ID]) -> Bool {
        let news = ids.filter { !contains($0) && !$0.isGroup }
        guard members.count + news.count <= Self.limit else { return false }
        for id in news {
            members.append(id)
            places.insert(id.address)
        }
        requests.removeAll { request in ids.contains { $0.address == request.member.address } }
        return true
    }

    private mutating func remove(_ ids: [ID]) {
        let gone = Set(ids.map(\.address)).subtracting([owner.address])
        members.removeAll { gone.contains($0.address) }
        places.subtract(gone)
        dismiss(ids)
    }

    private mutating func dismiss(_ ids: [ID]) {
        administrators.removeAll { office in ids.contains { $0.address == office.address } }
    }

    /// An administrator names members and no offices: those in office stay as long as they are members.
    private mutating func reset(_ record: GroupRecord, isByOwner: Bool) {
        let offices = isByOwner ? record.administrators ?? administrators : administrators
        let open = isByOwner && record.saysEverything ? [] : requests
        self = Membership(foundedBy: owner)
        add(Array(record.members.filter { $0.address != owner.address }.prefix(Self.limit - 1)))
        for id in offices where office(of: id) == .member { administrators.append(id) }
        requests = open.filter { !contains($0.member) }
    }

    private mutating func request(_ ids: [ID], by record: GroupRecord) {
        for id in ids where !id.isGroup && requests.count < Self.requestLimit {
            guard !requests.contains(where: { $0.member.address == id.address }) else { continue }
            requests.append(MembershipRequest(member: id, by: record.signer, time: record.time))
        }
    }
}

/// Somebody asks to be let in, or a member proposes somebody.
package struct MembershipRequest: Sendable, Equatable {
    package let member: ID
    /// The member that proposes it, or it itself.
    package let by: ID
    /// Seconds since 1970.
    package let time: Double
}
