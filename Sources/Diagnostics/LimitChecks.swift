package import Records
package import Store

/// How full a daemon's queues are: what is to be sent, what nobody has read, and what strangers wrote.
package struct LimitChecks {
    package struct Limit: Sendable {
        package let messages: Int
        package let bytes: Int64

        package init(messages: Int, bytes: Int64) {
            self.messages = messages
            self.bytes = bytes
        }
    }

    private let store: MessageStore
    private let outbox: Limit
    private let inbox: Limit
    private let parked: Limit

    package init(of store: MessageStore, outbox: Limit, inbox: Limit, parked: Limit) {
        self.store = store
        self.outbox = outbox
        self.inbox = inbox
        self.parked = parked
    }

    package func checks() throws(LedgerError) -> [Check] {
        let outgoing = try store.outboxSize()
        let (verified, other) = (try store.parkedSize(isVerified: true), try store.parkedSize(isVerified: false))
        let requests = try store.parkedSenders(isVerified: true, limit: 1000).count
        return try [
            Fill(of: "outbox", count: outgoing.count, bytes: outgoing.bytes, limit: outbox).check(
                "outbox", then: "nothing can be sent",
                hint: "culver message list --state queued; [limits] outbox_messages and outbox_size"),
            refusedCheck(), inboxCheck(),
            Fill(of: "requests", count: verified.rows, bytes: verified.bytes, limit: parked).check(
                "requests", words: "\(requests) strangers wait for a word", then: "the largest lose messages",
                hint: "culver contact requests"),
            Fill(of: "lookups", count: other.rows, bytes: other.bytes, limit: parked).check(
                "requests", words: "\(other.rows) messages of unknown senders wait for their metas",
                then: "the largest lose messages", hint: "culver log --kind request"),
        ]
        .compactMap { $0 }
    }

    /// Messages that stay here because no broker takes them; `nil` without any among the oldest thousand.
    private func refusedCheck() throws(LedgerError) -> Check? {
        let start = "broker-refused: "
        let refused = try store.outbox(state: .queued, start: 0, limit: 1000).filter {
            $0.reason?.hasPrefix(start) == true
        }
        guard let row = refused.first, let words = row.reason?.dropFirst(start.count) else { return nil }
        let others = refused.count > 1 ? " and \(refused.count - 1) more" : ""
        return Check(
            "outbox", .warn, "message \(row.id) to \(row.receiver)\(others) is not taken: \(words)",
            hint: "culver message show \(row.id); culver message cancel \(row.id)")
    }

    /// What everybody has read makes room by itself.
    private func inboxCheck() throws(LedgerError) -> Check {
        let size = try store.inboxSize()
        let fill = Fill(of: "inbox", count: size.count, bytes: size.bytes, limit: inbox)
        let behind = fill.share > 0.8 ? try store.laggard() : nil
        let consumers = fill.share > 0.8 ? try store.consumers() : []
        guard behind != nil || consumers.isEmpty else {
            return Check("inbox", .ok, "\(fill.words), all of it read")
        }
        let reader = behind.map { "consumer \($0) is behind" } ?? "no consumer reads it"
        return fill.check(
            "inbox", words: fill.share > 0.8 ? "\(fill.words): \(reader)" : nil, then: "no new message is accepted",
            hint: behind.map { "culver inbox --consumer \($0) --ack; or culver consumer forget \($0)" }
                ?? "culver inbox --consumer NAME --ack")
    }
}

/// How full something with two bounds is.
package struct Fill: Sendable {
    package let share: Double
    package let words: String

    /// `limit`: of messages and of bytes.
    package init(of what: String, count: Int64, bytes: Int64, limit: LimitChecks.Limit) {
        share = max(Double(count) / Double(max(1, limit.messages)), Double(bytes) / Double(max(1, limit.bytes)))
        words = "\(what): \(count) of \(limit.messages) messages, \(bytes >> 10) of \(limit.bytes >> 10) KiB"
    }

    /// `then`: what is so when it is full.
    package func check(_ name: String, words: String? = nil, then: String, hint: String) -> Check {
        let text = words ?? self.words
        if share >= 1 { return Check(name, .fail, "\(text); it is full: \(then)", hint: hint) }
        return share > 0.8 ? Check(name, .warn, "\(text); when it is full \(then)", hint: hint) : Check(name, .ok, text)
    }
}
