import Crypto
import DIMP
import Format
import Foundation
import Testing

@testable import Store

@Suite struct GroupFilesTests {
    private let scratch: Scratch
    private let state: StateDirectory
    private let facebook: Facebook
    private let secret: PrivateKey
    private let id: ID
    private let meta: Meta
    private let owner: ID

    init() throws {
        scratch = try Scratch()
        state = try StateDirectory(scratch.directory + "/state")
        facebook = try Facebook(state, time: 1)
        let secret = PrivateKey.ecc(try ECCPrivateKey.generate())
        let meta = try Meta(seed: "hiking", signedBy: secret)
        id = try #require(meta.id(network: 1))
        owner = try #require(try Meta(seed: "owner", signedBy: secret).id(network: 0))
        (self.secret, self.meta) = (secret, meta)
    }

    private func save() throws {
        for change in facebook.takeChanges() { try state.perform(change) }
    }

    private func invite(_ name: String, at time: Double, isSigned: Bool) throws -> GroupRecord {
        let member = try #require(try Meta(seed: name, signedBy: secret).id(network: 0))
        let content = Content(
            type: .history, sn: 3, time: 1_760_000_000 + time, group: id,
            ["command": "invite", "members": [.string(member.text)]])
        guard isSigned else { return try #require(GroupRecord(content, signedBy: owner)) }
        let envelope = Envelope(sender: owner, receiver: .anyone, time: content.time, group: id)
        let message = try InstantMessage(envelope: envelope, content: content).encrypted(with: .plain, iv: [])
            .signed(by: secret)
        return try #require(GroupRecord(content, signedBy: owner, message: message.json.object))
    }

    private func found() throws {
        var group = KnownGroup(id, foundedBy: owner)
        _ = group.take(try invite("anna", at: 0, isSigned: true))
        _ = group.take(try invite("ben", at: 1, isSigned: false))
        group.name = "club"
        group.learnt = 1_760_000_000.5
        facebook.groups.put(secret, of: id)
        let bulletin = try Document.bulletin(of: id, name: "hiking", founder: owner, time: 2, signedBy: secret)
        facebook.groups.put(meta, bulletin, of: id)
        facebook.groups.put(group)
        try save()
    }

    @Test("a group is the same after a start, with its name, its proofs and its members")
    func start() throws {
        try found()
        let again = try Facebook(state, time: 1)
        let group = try #require(again.groups.group(id.address))
        #expect(group == facebook.groups.group(id.address))
        #expect(group.membership.members.map(\.name) == ["owner", "anna", "ben"] && group.learnt == 1_760_000_000.5)
        #expect(group.records.map { $0.message != nil } == [true, false])
        #expect(again.id(named: "club") == id && again.groups.bulletin(of: id)?.founder == owner)
        #expect(again.meta(of: id)?.vouches(for: id) == true)
        #expect(again.groups.isMember(owner.address))
        #expect(!again.groups.isMember(id.address))
    }

    @Test("what a bulletin said of offices is kept as well, though it is no command")
    func offices() throws {
        try found()
        var group = try #require(facebook.groups.group(id.address))
        let anna = group.membership.members[1]
        let bulletin = try Document(
            kind: "bulletin", about: id, properties: ["administrators": [.string(anna.text)]],
            time: 1_760_000_001.5, signedBy: secret)
        _ = group.take(try #require(GroupRecord(bulletin, of: id, foundedBy: owner)))
        #expect(group.membership.administrators == [anna])
        facebook.groups.put(group)
        try save()
        #expect(try Facebook(state, time: 1).groups.group(id.address) == group)
    }

    @Test("what a failed turn put is gone, and members are counted anew")
    func undone() throws {
        try found()
        var group = try #require(facebook.groups.group(id.address))
        _ = group.take(try invite("carl", at: 2, isSigned: false))
        let carl = try #require(group.membership.members.last)
        facebook.groups.put(group)
        #expect(facebook.groups.isMember(carl.address))
        try facebook.reload(time: 1)
        #expect(!facebook.groups.isMember(carl.address) && !facebook.hasChanges)
        #expect(facebook.groups.group(id.address)?.membership.members.count == 3)
    }

    @Test("a damaged list is set aside, and the group is what its bulletin says")
    func damaged() throws {
        try found()
        try state.write(Array("{".utf8), to: StatePath.members(of: id.address.text))
        let again = try Facebook(state, time: 1)
        #expect(again.groups.group(id.address)?.membership.members == [owner])
        #expect(try state.exists(StatePath.members(of: id.address.text) + ".bad"))
        #expect(state.takeDamages().count == 1)
        // Without a bulletin there is nothing to go by, and nothing ends for it.
        try state.write(Array("[]".utf8), to: StatePath.bulletin(of: id.address.text))
        #expect(try Facebook(state, time: 1).groups.all.isEmpty)
    }

    @Test("the private key of a group is for its owner alone, and a start says so")
    func secrecy() throws {
        try found()
        #expect(try state.exposedKeys().isEmpty)
        let path = try state.full(StatePath.secret(ofGroup: id.address.text))
        #expect(chmod(path, 0o644) == 0)
        #expect(try state.exposedKeys().map(\.path) == [path])
        #expect(try Inspection(of: state.path, mends: false).flaws.map(\.kind) == [.exposed])
    }

    @Test("a backup has all of a group")
    func backup() throws {
        try found()
        let backup = try Backup(of: state)
        let names = try #require(try backup.copy()).map(\.name)
        let address = id.address.text
        #expect(
            Set(names) == [
                StatePath.secret(ofGroup: address), StatePath.meta(ofGroup: address), StatePath.bulletin(of: address),
                StatePath.members(of: address),
            ])
        for name in names { #expect(Restoration.limit(of: name) != nil) }
        try backup.remove()
    }

    @Test("one more group than a board knows is not kept, and one that is known is")
    func limit() throws {
        try found()
        for number in 1..<KnownGroup.limit {
            let other = try #require(try Meta(seed: "group \(number)", signedBy: secret).id(network: 1))
            #expect(facebook.groups.put(KnownGroup(other, foundedBy: owner)))
        }
        try save()
        let more = try #require(try Meta(seed: "more", signedBy: secret).id(network: 1))
        #expect(!facebook.groups.put(KnownGroup(more, foundedBy: owner)))
        #expect(!facebook.hasChanges && facebook.groups.group(more.address) == nil)
        #expect(facebook.groups.all.count == KnownGroup.limit)
        var group = try #require(facebook.groups.group(id.address))
        group.name = "other"
        #expect(facebook.groups.put(group) && facebook.hasChanges)
    }

    @Test("a forgotten group leaves no file")
    func forgotten() throws {
        try found()
        facebook.groups.forget(id.address)
        try save()
        #expect(facebook.groups.all.isEmpty && !facebook.groups.isMember(owner.address))
        #expect(try state.list(StatePath.groups).isEmpty)
    }
}
