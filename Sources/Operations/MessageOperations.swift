package import DIMP
package import Format
package import Records
package import Store

/// What can be done with messages without a broker, `message.pack` and `message.open` of culver-protocol(7): by the
/// daemon, and by the tool on a directory without a daemon. Both are prepared here, and carried out on any thread.
package struct MessageOperations {
    private let facebook: Facebook
    private let names: NameLookup
    /// Seconds since 1970.
    private let time: Double

    package init(facebook: Facebook, time: Double) {
        self.facebook = facebook
        self.time = time
        names = NameLookup(facebook: facebook)
    }

    /// The type and the other members of a content that a local program wrote: {text | data | content, subject?}.
    package static func content(in params: Params) throws -> (type: ContentType, members: JSONObject) {
        let subject = try params.text("subject")
        if let subject { try checkSubject(.string(subject)) }
        if let data = params.json("data"), params.json("text") == nil, params.json("content") == nil {
            // Software that knows no data shows the text.
            return (
                .customized,
                [
                    "app": "culver", "mod": "data", "act": .string(subject ?? ""), "data": data,
                    "text": .string(data.text),
                ]
            )
        }
        guard params.json("data") == nil else {
            throw Refusal(.badData, "text-or-content", "give one of text, data and content")
        }
        var (type, members) = try content(text: try params.text("text"), content: params.json("content"))
        if let subject {
            guard members["subject"] == nil else {
                throw Refusal(.badData, "bad-subject", "the content has a subject of its own")
            }
            members["subject"] = .string(subject)
        }
        return (type, members)
    }

    private static func checkSubject(_ json: JSON) throws(Refusal) {
        guard let text = json.string, Subject.isGood(text) else {
            throw Refusal(
                .badData, "bad-subject", "a subject is a text of 1 to \(Subject.limit) bytes without +, # and NUL")
        }
    }

    package static func content(
        text: String?, content: JSON?
    ) throws(Refusal) -> (type: ContentType, members: JSONObject) {
        switch (text, content) {
        case (let text?, nil): return (.text, ["text": .string(text)])
        case (nil, let content?):
            guard var members = content.object else {
                throw Refusal(.badData, "bad-content", "the content is no object")
            }
            guard let type = members["type"].flatMap(Content.type).flatMap(ContentType.init(rawValue:)) else {
                throw Refusal(.badData, "bad-content", "the content has no type that DIMP knows")
            }
            if let subject = members["subject"] { try checkSubject(subject) }
            if ["call", "reply", "mqtt", "pipe"].contains(members.culverModule) {
                throw Refusal(
                    .badData, "reserved-content",
                    "calls, their answers, pipes and messages of bridges are written by culver: see call.send and pipe.write"
                )
            }
            members["type"] = nil
            for name in ["sn", "time", "seal", "seq"] where members[name] != nil {
                throw Refusal(.badData, "reserved-member", "\(name) of a content is written by culver")
            }
            return (type, members)
        default:
            throw Refusal(.badData, "text-or-content", "give one of text, data and content")
        }
    }

    // MARK: - Packing

    /// {to, text | content, attach?}; the caller has resolved `from`, because not everybody may use every identity.
    package func pack(_ params: Params, from sender: Identity) throws -> PackWork {
        let receiver = try names.id(try params.needText("to"))
        let (type, members) = try Self.content(in: params)
        let content = Content(type: type, sn: Int64.random(in: 1...0x7FFF_FFFF), time: time, members)
        return packWork(content, from: sender, to: receiver, attach: try params.flag("attach"))
    }

    func packWork(_ content: Content, from sender: Identity, to receiver: ID, attach: Bool) -> PackWork {
        PackWork(
            content: content, sender: sender.id, receiver: receiver, attach: attach,
            excerpt: BarrackExcerpt(of: facebook, identities: [sender], peer: receiver))
    }

    // MARK: - Opening

    package enum OpenStep: Sendable {
        case work(OpenWork)
        /// Refused at once: the answer.
        case refused(JSON)
    }

    /// {message}: an object, or text that holds one. `mayRead`: whether the caller may know what an identity of this
    /// board received, because not everybody may.
    package func open(_ params: Params, mayRead: (ID) -> Bool = { _ in true }) throws -> OpenStep {
        guard let message = params.json("message") else { throw Params.missing("message") }
        let step = openStep(for: message, mayRead: mayRead)
        if case .work(let work) = step, !mayRead(work.owner.id) {
            throw Refusal(.notPermitted, "not-permitted", "you may not read what \(work.owner.id) received")
        }
        return step
    }

    /// The steps of `IncomingMessage` up to the receiver. What is for everybody is for an identity that the caller may
    /// read for, if there is one.
    func openStep(for wire: JSON, mayRead: (ID) -> Bool = { _ in true }) -> OpenStep {
        do throws(Rejection) {
            let incoming =
                if let text = wire.string { try IncomingMessage(parsing: Array(text.utf8)) } else {
                    try IncomingMessage(wire)
                }
            let readable = facebook.identities.filter { mayRead($0.id) }
            let identities = readable + facebook.identities.filter { !mayRead($0.id) }
            let message = try incoming.addressed(to: identities.map(\.id), including: [.broadcasts, .groups])
            guard let owner = identities.first(where: { $0.id == message.owner }) else {
                throw Rejection(.receiver, "the message is for somebody else")
            }
            let excerpt = BarrackExcerpt(of: facebook, identities: identities, peer: message.sender)
            let isCulver =
                facebook.contact(message.sender.address)?.isCulver == true
                || excerpt.visa(of: message.sender)?.isOfCulver == true
            return .work(OpenWork(message: message, owner: owner, excerpt: excerpt, isCulver: isCulver))
        } catch {
            return .refused(OpenWork.refused(error))
        }
    }
}
