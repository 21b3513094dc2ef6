import Agent
import Crypto
import DIMP
import Format

/// A group for tests, with a key of its own.
struct Club {
    let id: ID
    let owner: Identity
    private let meta: Meta
    private let bulletin: Document
    private let secret: PrivateKey

    init(foundedBy owner: Identity, name: String = "club") {
        guard let key = try? ECCPrivateKey.generate() else { fatalError("no key for the tests") }
        let secret = PrivateKey.ecc(key)
        guard let meta = try? Meta(seed: name, signedBy: secret), let id = meta.id(network: 1),
            let bulletin = try? Document.bulletin(
                of: id, name: name, founder: owner.id, time: People.time, signedBy: secret)
        else { fatalError("no group for the tests") }
        (self.id, self.owner, self.meta, self.bulletin, self.secret) = (id, owner, meta, bulletin, secret)
    }

    /// As it is on the board of its owner before anybody was invited.
    func found(on board: Board) {
        let card = Content.documentCommand(
            "document", about: id, document: bulletin, meta: meta, sn: 1, time: People.time)
        var group = KnownGroup(id, foundedBy: owner.id)
        if let card = try? owner.broadcast(card, attach: false).json.object { group.show(card) }
        board.book.apply(.groupCard(meta, bulletin, of: id))
        board.book.apply(.group(group))
    }

    /// Its meta and a bulletin as applications write it, which names administrators.
    func card(naming administrators: [ID], time: Double) throws -> Content {
        let properties: JSONObject = [
            "name": "club", "founder": .string(owner.id.text),
            "administrators": .array(administrators.map { .string($0.text) }),
        ]
        let bulletin = try Document(
            kind: "bulletin", about: id, properties: properties, time: time, signedBy: secret)
        return Content.documentCommand("documents", about: id, document: bulletin, meta: meta, sn: 2, time: time)
    }

    func members(on board: Board) -> [ID] { board.book.group(id.address)?.membership.members ?? [] }

    /// The group as it is after a command that its owner gives.
    static func said(_ act: String, _ members: [ID], administrators: [ID]? = nil) -> JSONObject {
        var said: JSONObject = ["command": .string(act), "members": .array(members.map { .string($0.text) })]
        if let administrators { said["administrators"] = .array(administrators.map { .string($0.text) }) }
        return said
    }
}

extension Pair {
    static let everybody = [People.moki, People.hulk, People.carol, People.dave]

    /// Boards of everybody: all know the owner, and the others know nothing of each other.
    static func around(_ club: Club) -> Pair {
        let pair = Pair(everybody.enumerated().map { Board([$0.element], seed: UInt64($0.offset) * 100 + 1) })
        for (number, identity) in everybody.enumerated().dropFirst() {
            pair.boards[number].befriend(People.moki)
            pair.a.befriend(identity)
        }
        club.found(on: pair.a)
        pair.linkAll()
        return pair
    }

    /// Dave is an application for the owner, and is not there.
    func makeDaveStock() throws {
        boards[3].isSilent = true
        a.book.state.visas[People.dave.id.address] = nil
        a.befriend(People.dave, isCulver: false, visa: try People.dave.visa(time: People.time, isStock: true))
    }

    /// What a board wrote to somebody alone, opened by the receiver.
    func contents(from board: Int, to receiver: Identity) -> [Content] {
        messages(from: board, to: receiver.id.address).compactMap { message in
            guard let key = try? message.secure.unwrapped(for: receiver.id, with: receiver.decryptionKeys).key
            else { return nil }
            return try? message.secure.decrypted(with: key).content
        }
    }

    func forward(_ inner: ReliableMessage, from: Identity = People.moki, on board: Int) throws {
        let forward = Content(type: .forward, sn: 6, time: now.wall, ["secrets": [inner.json]])
        lay(try from.sealedMessage(forward, to: boards[board].identity), on: board)
        advance(1)
    }

    /// A command inside a forward of a contact, the owner if nobody else is named, signed by somebody.
    func forward(
        _ act: String, _ members: [ID], in group: ID, by signer: Identity, at time: Double, sn: Int64 = 5,
        from: Identity = People.moki, on board: Int
    ) throws {
        let content = Content(type: .history, sn: sn, time: time, group: group, Club.said(act, members))
        try forward(try signer.broadcast(content), from: from, on: board)
    }

    /// A local program gives a command about the group.
    @discardableResult
    func command(
        _ act: String, _ members: [ID] = [], in club: Club, from board: Int = 0, administrators: [ID]? = nil
    ) -> UInt64 {
        submit(.history, Club.said(act, members, administrators: administrators), from: board, to: club.id)
    }
}
