import Crypto
import DIMP
import Format
import Records

/// What a group is: its meta and bulletin, shown by others and to them.
extension Groups {
    /// A group is known by its meta and a bulletin, which say who founded it. Both prove themselves.
    mutating func take(
        cardOf id: ID, documents: [JSON], meta: JSON?, saying content: Content, of opened: Opened,
        in context: inout Context
    ) throws(LedgerError) {
        let id = id.bare
        guard let json = documents.first else {
            return try answer(cardOf: id, asked: content, of: opened, in: &context)
        }
        // Members of one group are not heard about another.
        let source = opened.arrival.via ?? opened.sender
        let isKnown = context.book.group(id.address)?.id == id
        guard isKnown ? context.book.isTrusted(source) : context.book.isPersonallyTrusted(source) else {
            return try context.reject(Rejection(.trust, "a stranger shows a group"), from: opened.sender)
        }
        let checked: Meta
        let bulletin: Document
        do throws(Rejection) {
            if let known = context.book.meta(of: id) { checked = known } else { checked = try Meta(meta) }
            guard checked.vouches(for: id) else { throw Rejection(.meta, "the meta is of another group") }
            bulletin = try Document(json)
            try bulletin.check(about: id, meta: checked)
        } catch {
            return try context.reject(error, from: opened.sender)
        }
        let before = context.book.bulletin(of: id)
        let isNewer = bulletin.time > before?.time ?? -1
        if var group = context.book.group(id.address), group.id == id {
            guard isNewer || group.card == nil else { return }
            if let proof = Self.proof(of: content, in: opened), !group.show(proof) {
                return try context.reject(
                    Rejection(.content, "a card of a group that is too large"), from: opened.sender)
            }
            if isNewer { context.book.apply(.groupCard(checked, bulletin, of: id)) }
            context.book.apply(.group(group))
            return try heed(bulletin, of: group, from: opened.sender, in: &context)
        }
        guard let founder = bulletin.founder, context.book.group(id.address) == nil else {
            return try context.reject(Rejection(.meta, "a bulletin without a founder"), from: opened.sender)
        }
        var group = KnownGroup(id, foundedBy: founder)
        group.learnt = context.recordedTime
        if let proof = Self.proof(of: content, in: opened), !group.show(proof) {
            return try context.reject(Rejection(.content, "a card of a group that is too large"), from: opened.sender)
        }
        guard makeRoomForGroup(in: context) else {
            return try context.reject(
                Rejection(.content, "this board knows \(KnownGroup.limit) groups"), from: opened.sender)
        }
        context.book.apply(.groupCard(checked, bulletin, of: id))
        context.book.apply(.group(group))
        try context.note(
            .group, level: .info, text: "\(opened.sender) shows the group \(id) of \(founder)", did: id,
            reason: "known")
        try heed(bulletin, of: group, from: opened.sender, in: &context)
        // An answer to `askForCard`: the history is next.
        questions.cardCame(of: id.address)
        if opened.isEncrypted, let owner = context.book.identity(opened.owner.address) {
            ask(about: group, as: owner, of: opened.sender, in: &context)
        }
    }

    /// Of groups in which nobody of this board is a member, and that nobody here has named, only so many stay: the one that
    /// was shown first goes. False: there is no room.
    private func makeRoomForGroup(in context: Context) -> Bool {
        let own = context.book.identities.map(\.id)
        let groups = context.book.groups
        let others = groups.filter { group in
            group.name == nil && !own.contains { group.membership.contains($0) }
        }
        guard others.count >= Tuning.groupsOfOthers || groups.count >= KnownGroup.limit else { return true }
        let first = others.min { ($0.learnt, $0.id.text) < ($1.learnt, $1.id.text) }
        guard let first else { return groups.count < KnownGroup.limit }
        context.book.apply(.forgetGroup(first.id.address))
        return true
    }

    /// Applications name the administrators in the bulletin.
    private mutating func heed(
        _ bulletin: Document, of group: KnownGroup, from sender: ID, in context: inout Context
    ) throws(LedgerError) {
        guard let record = GroupRecord(bulletin, of: group.id, foundedBy: group.membership.owner) else { return }
        guard context.now.isClockSet, record.time <= context.now.wall + ProtocolLimits.contentAhead else {
            return try context.reject(Rejection(.time, "a bulletin of a group is from the future"), from: sender)
        }
        try take(record, of: group, from: sender, in: &context)
    }

    mutating func answer(
        cardOf id: ID, asked question: Content, of opened: Opened, in context: inout Context
    ) throws(LedgerError) {
        guard let group = context.book.group(id.address), group.id == id, context.book.isTrusted(opened.sender),
            let bulletin = context.book.bulletin(of: id), let meta = context.book.meta(of: id),
            questions.mayShow(
                GroupQuestions.MemberKey(group: id.address, member: opened.sender.address), at: context.now.lived)
        else { return }
        let name = question.commandName
        let content =
            name == "meta"
            ? Content.metaCommand(about: id, meta: meta, sn: context.newSN(), time: context.now.wall)
            : Content.documentCommand(
                name, about: id, document: bulletin, meta: meta, sn: context.newSN(), time: context.now.wall)
        ControlMessage.seal(
            content, from: opened.owner.address, to: opened.sender, purpose: .courtesy, in: &context)
    }

    /// A trusted sender names a group that is not known here.
    mutating func askForCard(of id: ID, from source: ID, to owner: ID, in context: inout Context) {
        guard context.book.contact(source.address)?.isTrusted == true,
            questions.askForCard(of: id.address, from: source.address, at: context.now.lived)
        else { return }
        let content = Content.documentCommand(
            "documents", about: id, document: nil, meta: nil, sn: context.newSN(), time: context.now.wall)
        ControlMessage.seal(content, from: owner.address, to: source, purpose: .courtesy, in: &context)
    }
}
