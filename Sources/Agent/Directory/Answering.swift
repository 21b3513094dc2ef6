import Crypto
import DIMP
import Format
import Records

/// What agents ask each other (wire.md 7.1 and 8): metas, documents, handshakes. Only so many a minute are answered.
struct Answering {
    private var answers: Budget
    /// What answers say that nobody of ours gave: each meta and each document costs a public-key operation.
    private var strangersCards = Budget(perSecond: Tuning.strangersCardsPerSecond)

    init(_ policy: Policy) {
        answers = Budget(perSecond: Double(policy.queriesPerMinute) / 60, burst: Double(policy.queriesPerMinute))
    }

    /// A query is answered with our own meta; an answer is looked at like a find in the directory.
    mutating func answer(
        aboutMeta id: ID, meta: JSON?, opened: Opened, lookups: inout Lookups, in context: inout Context
    ) {
        if let meta {
            if mayShowCard(opened, in: context) { lookups.take(meta: meta, of: id, in: &context) }
            return
        }
        guard let owner = identity(askedAbout: id, by: opened, in: context), answers.take(at: context.now.lived) else {
            return
        }
        // A peer that asks does not know us, whatever it knew once: without our meta it could not even read the answer.
        if var contact = context.book.contact(opened.sender.address), contact.knowsUs {
            contact.knowsUs = false
            context.book.apply(.contact(contact))
        }
        let content = Content.metaCommand(
            about: owner.id, meta: owner.meta, sn: context.newSN(), time: context.now.wall)
        reply(content, to: opened, in: &context)
    }

    /// `name`: what the question calls the command, for the answer.
    mutating func answer(
        aboutDocuments id: ID, documents: [JSON], meta: JSON?, named name: String, opened: Opened,
        lookups: inout Lookups, in context: inout Context
    ) throws(LedgerError) -> [Lookups.Finding] {
        if let meta, mayShowCard(opened, in: context) { lookups.take(meta: meta, of: id, in: &context) }
        guard documents.isEmpty else {
            let shown = documents.prefix { _ in mayShowCard(opened, in: context) }
            return try lookups.take(documents: Array(shown), of: id, in: &context)
        }
        guard meta == nil, let owner = identity(askedAbout: id, by: opened, in: context),
            answers.take(at: context.now.lived)
        else { return [] }
        let content = Content.documentCommand(
            name, about: owner.id, document: owner.visa, meta: owner.meta, sn: context.newSN(),
            time: context.now.wall)
        reply(content, to: opened, in: &context)
        return []
    }

    /// Nothing depends on a handshake without a station; a peer that insists is told that all is well.
    mutating func answer(handshake title: String, opened: Opened, in context: inout Context) {
        guard title == "Hello world!", answers.take(at: context.now.lived) else { return }
        reply(Content.handshake("DIM!", sn: context.newSN(), time: context.now.wall), to: opened, in: &context)
    }

    /// Another device with the same identity asks whom it mutes or blocks. No answer while that is not known.
    mutating func answer(for list: ContactList, opened: Opened, in context: inout Context) {
        guard let ids = list.ids(in: context), answers.take(at: context.now.lived) else { return }
        let texts = ids.map(\.bare.text).sorted().prefix(ProtocolLimits.listedIDs).map { JSON.string($0) }
        let content = Content.command(
            list.commandName, sn: context.newSN(), time: context.now.wall, ["list": .array(texts)])
        reply(content, to: opened, in: &context)
    }

    private mutating func mayShowCard(_ opened: Opened, in context: Context) -> Bool {
        context.book.isTrusted(opened.sender) || strangersCards.take(at: context.now.lived)
    }

    /// Only the one that is asked itself: that two identities share a board is not told.
    private func identity(askedAbout id: ID, by opened: Opened, in context: Context) -> Identity? {
        id.address == opened.owner.address ? context.book.identity(id.address) : nil
    }

    /// A stranger's key is taken from the card attached to the very message that is answered.
    private func reply(_ content: Content, to opened: Opened, in context: inout Context) {
        let isKnown = context.book.encryptionKey(of: opened.sender) != nil
        ControlMessage.seal(
            content, from: opened.owner.address, to: opened.sender, attached: isKnown ? nil : attachedKey(opened),
            purpose: .courtesy, in: &context)
    }

    private func attachedKey(_ opened: Opened) -> RSAPublicKey? {
        opened.arrival.visa?.key?.encryption ?? opened.message.verified.meta.key.encryption
    }
}
