package import Format

/// A file on its way in pieces from one peer to another, as either of the two remembers it.
package struct FileTransfer: Sendable, Equatable {
    package enum State: String, Sendable {
        /// `delivered`: whole, and in the owner's directory alone.
        case open, whole, delivered, refused, expired, failed
    }

    package var offer: FileOffer
    package var sender: ID
    package var receiver: ID
    /// Of a file that comes, the id of its message in the inbox; of one that goes, the ref of its message.
    package var message: String
    /// Safe as a file's name.
    package var name: String
    package var type: Int64
    /// When it was accepted, in seconds since 1970, 0 when the clock was unset.
    package var time: Double
    package var state = State.open
    /// Why it is not whole: a word for programs.
    package var reason: String?
    /// Where it is in the owner's directory.
    package var path: String?

    package init(
        _ offer: FileOffer, sender: ID, receiver: ID, message: String, name: String, type: Int64, time: Double
    ) {
        (self.offer, self.sender, self.receiver) = (offer, sender, receiver)
        (self.message, self.name, self.type, self.time) = (message, name, type, time)
    }

    /// `nil` for anything that `json` did not write.
    package init?(_ json: JSON) {
        guard let object = json.object, let offer = FileOffer(object), let sender = object.id("sender"),
            let receiver = object.id("receiver"), let message = object["message"]?.string,
            let name = object["filename"]?.string, let type = object["type"]?.integer,
            let time = object["time"]?.double, let state = object["state"]?.string.flatMap(State.init)
        else { return nil }
        self.init(offer, sender: sender, receiver: receiver, message: message, name: name, type: type, time: time)
        self.state = state
        reason = object["reason"]?.string
        path = object["path"]?.string
    }

    /// With the file's key, which is secret.
    package var json: JSON {
        var object = offer.members
        object["sender"] = .string(sender.text)
        object["receiver"] = .string(receiver.text)
        object["message"] = .string(message)
        object["filename"] = .string(name)
        object["type"] = .integer(type)
        object["time"] = .number(time)
        object["state"] = .string(state.rawValue)
        if let reason { object["reason"] = .string(reason) }
        if let path { object["path"] = .string(path) }
        return .object(object)
    }

    /// Bytes on disk.
    package var room: Int64 { state == .open || state == .whole ? offer.sealedSize : 0 }

    package var pieces: FilePieces { FilePieces(offer, from: sender.address, to: receiver.address) }
}
