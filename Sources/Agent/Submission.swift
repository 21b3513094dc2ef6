package import DIMP
package import Format
package import Records

/// What a local program wants to have sent.
package struct Submission: Sendable {
    /// Whom to answer.
    package var token: UInt64
    package var sender: ID
    package var receiver: ID
    package var type: ContentType
    /// The content's members besides `type`, `sn` and `time`.
    package var members: JSONObject
    /// More of them, by which what is asked again under the same `ref` may differ.
    package var extra = JSONObject()
    package var ref: String?
    /// Seconds; `nil` for the configured one.
    package var expiry: Double?
    /// The receiver is asked for a signed receipt, which proves to others that it took the message.
    package var wantsSignedReceipt: Bool
    package var priority: Priority

    package init(
        token: UInt64, sender: ID, receiver: ID, type: ContentType, members: JSONObject, ref: String? = nil,
        expiry: Double? = nil, wantsSignedReceipt: Bool = false, priority: Priority = .normal
    ) {
        self.token = token
        self.sender = sender
        self.receiver = receiver
        self.type = type
        self.members = members
        self.ref = ref
        self.expiry = expiry
        self.wantsSignedReceipt = wantsSignedReceipt
        self.priority = priority
    }
}

extension Submission {
    /// About who belongs to a group, and no message to its members.
    var isGroupCommand: Bool { receiver.hasMembers && type == .history }
}

/// The answer to a submission or to a cancellation.
package enum Answer: Sendable, Equatable {
    /// On disk.
    case accepted(id: String, sn: Int64, state: String, isRepeat: Bool)
    case refused(Refusal)
}
