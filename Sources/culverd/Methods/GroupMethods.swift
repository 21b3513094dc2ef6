import Agent
import Control
import DIMP
import Format
import Operations
import Records
import Store

/// `group.*`: groups that this board has founded or was invited to. A command about the members is answered when it is on
/// disk, and so is what tells the others of it.
@MainActor struct GroupMethods {
    let loop: Loop
    let pool: Pool
    let rights: CallerRights
    let answers: PendingAnswers

    private var files: GroupFiles { loop.book.facebook.groups }

    // MARK: - Looking

    func list() -> JSON {
        ["groups": .array(files.all.map { JSON.object(row($0)) })]
    }

    func show(_ request: CheckedCall) throws -> JSON { .object(shown(try group(of: request))) }

    private func row(_ group: KnownGroup) -> JSONObject {
        var object: JSONObject = ["did": .string(group.id.text)]
        if let name = group.name { object["name"] = .string(name) }
        object["owner"] = .string(group.membership.owner.text)
        object["members"] = .integer(Int64(group.membership.members.count))
        if let own = identity(in: group) { object["office"] = .string("\(group.membership.office(of: own.id))") }
        return object
    }

    private func shown(_ group: KnownGroup) -> JSONObject {
        let membership = group.membership
        var object = row(group)
        object["members"] = .array(membership.members.map { .string($0.text) })
        object["administrators"] = .array(membership.administrators.map { .string($0.text) })
        object["requests"] = .array(
            membership.requests.map { (request: MembershipRequest) -> JSON in
                ["did": .string(request.member.text), "by": .string(request.by.text), "time": .number(request.time)]
            })
        return object
    }

    private func group(of request: CheckedCall) throws -> KnownGroup {
        let id = try loop.names.id(try request.params.needText("group"))
        guard let group = files.group(id.address) else {
            throw Refusal(.unknownName, "unknown-group", "\(id) is no group of this board")
        }
        return group
    }

    private func identity(in group: KnownGroup) -> Identity? {
        loop.book.identities.first { group.membership.contains($0.id) }
    }

    // MARK: - Founding

    /// The keys are made by the pool; then the group is written down, and its members are told.
    func create(_ request: CheckedCall, in turn: inout Turn) throws {
        let founder = try rights.sender(of: request)
        let name = try request.params.needText("name")
        try check(name)
        let members = try members(of: request)
        let work = GroupFounding(of: name, by: founder, time: loop.clock.now.wall)
        let call = request.call
        turn.after {
            pool.run(lane: "identity", { Result { () throws(Refusal) in try work.made() } }) { made in
                loop.add(
                    .request(call) { call, turn in
                        try keep(try made.get(), named: name, by: founder, in: &turn)
                        let said = Self.said("reset", members, administrators: [])
                        try give(said, to: try made.get().group.id, as: founder, for: call, in: &turn)
                    })
            }
        }
    }

    private func check(_ name: String) throws {
        // Nobody has it, not even an identity of this board.
        try loop.names.checkName(name, for: .everyone)
        guard files.all.count < KnownGroup.limit else {
            throw Refusal(.notNow, "too-many-groups", "this board knows \(KnownGroup.limit) groups")
        }
    }

    private func keep(
        _ founded: GroupFounding.Founded, named name: String, by founder: Identity, in turn: inout Turn
    ) throws {
        try check(name)
        let id = founded.group.id
        files.put(founded.secret, of: id)
        files.put(founded.meta, founded.bulletin, of: id)
        files.put(founded.group)
        try turn.note(.group, level: .info, text: "\(founder.id) founded \(id)", did: id, reason: "found")
    }

    // MARK: - Commands

    /// `act` about the members in the call.
    func change(_ act: GroupRecord.Act, _ request: CheckedCall, in turn: inout Turn) throws {
        let group = try group(of: request)
        let identity = try giver(of: request, in: group)
        var administrators: [ID]?
        var about: [ID] = []
        switch act {
        case .join, .quit, .resign, .appoint: break
        case .reset:
            about = try members(of: request)
            let known = group.membership.administrators
            administrators = known.filter { office in about.contains { $0.address == office.address } }
        case .invite, .expel, .hire, .fire, .found:
            about = try members(of: request)
            guard !about.isEmpty else { throw Params.missing("members") }
        }
        // Of an administrator a reset says nothing of offices.
        if group.membership.owner.address != identity.id.address { administrators = nil }
        try give(
            Self.said(act.rawValue, about, administrators: administrators), to: group.id, as: identity,
            for: request.call, in: &turn)
    }

    func query(_ request: CheckedCall, in turn: inout Turn) throws {
        let group = try group(of: request)
        try give(
            ["command": "query"], to: group.id, as: try giver(of: request, in: group), for: request.call, in: &turn)
    }

    /// Who gives the command: the identity that was named, or else the one that is a member.
    private func giver(of request: CheckedCall, in group: KnownGroup) throws -> Identity {
        guard try request.params.text("from") == nil, let own = identity(in: group) else {
            return try rights.sender(of: request)
        }
        try rights.checkMaySend(request, as: own.id)
        return own
    }

    private func members(of request: CheckedCall) throws -> [ID] {
        guard let list = request.params.json("members") else { return [] }
        guard let texts = list.array?.compactMap(\.string), texts.count == list.array?.count else {
            throw Params.wrong("members", isNot: "a list of IDs and names")
        }
        guard texts.count <= ProtocolLimits.listedIDs else {
            throw Params.wrong("members", isNot: "at most \(ProtocolLimits.listedIDs) of them")
        }
        return try texts.map { text in
            let id = try loop.names.id(text)
            guard !id.isGroup, !id.isBroadcast else {
                throw Refusal(.badData, "bad-member", "\(id) is nobody who could be a member")
            }
            return id.bare
        }
    }

    private static func said(_ act: String, _ members: [ID], administrators: [ID]?) -> JSONObject {
        var said: JSONObject = ["command": .string(act)]
        said["members"] = .array(members.map { .string($0.text) })
        if let administrators { said["administrators"] = .array(administrators.map { .string($0.text) }) }
        return said
    }

    private func give(
        _ said: JSONObject, to group: ID, as identity: Identity, for call: Call, in turn: inout Turn
    ) throws {
        let token = answers.expect(in: &turn) { answer in
            switch answer {
            case .accepted: call.answer(files.group(group.address).map { JSON.object(shown($0)) } ?? .null)
            case .refused(let refusal): call.fail(RPCError(refusal))
            }
        }
        try turn.handle(
            .submitted(
                Submission(token: token, sender: identity.id, receiver: group, type: .history, members: said)))
    }

    // MARK: - The end

    /// A member quits first: the others would go on writing to it.
    func forget(_ request: CheckedCall, in turn: inout Turn) throws -> JSON {
        let group = try group(of: request)
        if let own = identity(in: group), group.membership.members.count > 1 {
            throw Refusal(.notPermitted, "still-member", "\(own.id) is a member of \(group.id)")
        }
        loop.book.apply(.forgetGroup(group.id.address))
        try turn.note(.group, level: .info, text: "forgot the group \(group.id)", did: group.id, reason: "forgotten")
        return ["did": .string(group.id.text)]
    }
}
