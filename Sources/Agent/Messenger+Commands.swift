import Crypto
import DIMP
import Format
import Records

/// What agents ask each other (wire.md 7.1 and 8): metas, documents, handshakes. Never receipted, never repeated.
extension Messenger {
    /// A query is answered with our own meta; an answer is looked at like a find in the directory.
    mutating func answer(aboutMeta id: ID, _ meta: JSON?, _ opened: Opened, _ now: Moment) throws(LedgerError) {
        if let meta { return try learnMeta(meta, of: id, now) }
        guard let owner = asked(about: id, opened), answers.take(at: now.lived) else { return }
        // Who asks does not know us, whatever it knew once: without our meta it could not even read the answer.
        if var contact = book.contact(opened.sender.address), contact.knowsUs {
            contact.knowsUs = false
            book.apply(.contact(contact))
        }
        reply(Content.metaCommand(about: owner.id, meta: owner.meta, sn: newSN(), time: now.wall), opened, now)
    }

    mutating func answer(
        aboutDocuments id: ID, _ documents: [JSON], _ meta: JSON?, _ content: Content, _ opened: Opened, _ now: Moment
    ) throws(LedgerError) {
        if let meta { try learnMeta(meta, of: id, now) }
        guard documents.isEmpty else {
            guard let known = book.meta(of: id) else { return }
            // Each costs a public operation: nobody has many.
            for document in documents.prefix(8) { try learnVisa(document, of: id, meta: known, now) }
            return try release(id, now)
        }
        guard meta == nil, let owner = asked(about: id, opened), answers.take(at: now.lived) else { return }
        let name = content.json.first("command", "cmd")?.string ?? "documents"
        reply(
            Content.documentCommand(
                name, about: owner.id, document: owner.visa, meta: owner.meta, sn: newSN(), time: now.wall), opened, now
        )
    }

    /// Only about the one who is asked: that two identities share a board is nobody's business.
    private func asked(about id: ID, _ opened: Opened) -> Identity? {
        id.address == opened.arrival.owner ? book.identity(id.address) : nil
    }

    /// Nothing depends on a handshake without a station; a peer that insists is told that all is well.
    mutating func answer(handshake title: String, _ opened: Opened, _ now: Moment) {
        guard title == "Hello world!", answers.take(at: now.lived) else { return }
        reply(Content.handshake("DIM!", sn: newSN(), time: now.wall), opened, now)
    }

    /// A stranger's key is taken from the card attached to the very message that we answer.
    private mutating func reply(_ content: Content, _ opened: Opened, _ now: Moment) {
        write(
            content, from: opened.arrival.owner, to: opened.sender, attached: attachedKey(opened), purpose: .courtesy,
            now)
    }

    private func attachedKey(_ opened: Opened) -> RSAPublicKey? {
        let message = opened.arrival.message
        guard book.encryptionKey(of: opened.sender) == nil, let meta = try? Meta(message.meta),
            meta.vouches(for: opened.sender)
        else { return nil }
        if let visa = try? Document(message.visa), (try? visa.check(about: opened.sender, meta: meta)) != nil,
            let key = visa.key?.encryption
        {
            return key
        }
        return meta.key.encryption
    }

    /// Seals and sends something that is no row of the outbox. Nothing is said to whom no key is known of: false.
    @discardableResult
    mutating func write(
        _ content: Content, from owner: Address, to receiver: ID, attached: RSAPublicKey? = nil,
        purpose: Sealing.Purpose, _ now: Moment
    ) -> Bool {
        guard let identity = book.identity(owner) else { return false }
        let recipients: [(ID, RSAPublicKey)]
        if receiver.isBroadcast {
            recipients = []
        } else {
            guard let key = book.encryptionKey(of: receiver)?.encryption ?? own(receiver) ?? attached else {
                return false
            }
            recipients = [(receiver, key)]
        }
        var packing = Packing(identity: identity, receiver: receiver, recipients: recipients)
        if let key = recipients.first?.1, isCulver(receiver) { packing.reused = reusedKey(packing, key, now) }
        counts.signatures += 1
        effects.append(
            .work(
                Job(
                    lane: "receipt \(receiver.address.text)",
                    work: .seal(Sealing(packing: packing, content: content, purpose: purpose)))))
        return true
    }

    private func own(_ receiver: ID) -> RSAPublicKey? {
        book.identity(receiver.address)?.visa.key?.encryption
    }
}
