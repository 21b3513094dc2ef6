import Format

/// Who to whom and when, outside of the ciphertext. Nothing of it is signed: anyone may have changed it on the way,
/// so only the sender counts, once a signature verified (wire.md 6.2).
package struct Envelope: Sendable, Equatable {
    package var sender: ID
    package var receiver: ID
    /// Seconds since 1970; `nil` when there is none that can be read.
    package var time: Double?
    package var group: ID?
    /// A copy of the content's type.
    package var type: Int64?

    package init(sender: ID, receiver: ID, time: Double?, group: ID? = nil, type: Int64? = nil) {
        self.sender = sender
        self.receiver = receiver
        self.time = time
        self.group = group
        self.type = type
    }

    /// The group for a group message, else the receiver: what keys and seals are for.
    package var target: ID { group ?? receiver }

    package var isBroadcast: Bool { receiver.isBroadcast || group?.isBroadcast == true }

    init(_ object: JSONObject) throws(Rejection) {
        guard let sender = object.first("sender", "F")?.string else { throw Rejection(.parse, "there is no sender") }
        guard let sender = ID(sender) else { throw Rejection(.parse, "the sender is no ID") }
        self.sender = sender
        switch object.first("receiver", "R") {
        case .string(let text)?:
            guard let receiver = ID(text) else { throw Rejection(.parse, "the receiver is no ID") }
            self.receiver = receiver
        case nil: receiver = .anyone
        default: throw Rejection(.parse, "the receiver is no text")
        }
        switch object.first("group", "G") {
        case .string(let text)?:
            guard let group = ID(text) else { throw Rejection(.parse, "the group is no ID") }
            self.group = group
        case nil: group = nil
        default: throw Rejection(.parse, "the group is no text")
        }
        time = object.seconds("time", "W")
        type = object.first("type", "T").flatMap(Content.type)
    }

    var json: JSONObject {
        var object: JSONObject = ["sender": .string(sender.text), "receiver": .string(receiver.text)]
        if let time { object["time"] = .integer(Int64(wholeSeconds: time)) }
        if let type { object["type"] = .integer(type) }
        if let group { object["group"] = .string(group.text) }
        return object
    }
}
