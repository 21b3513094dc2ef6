import Format

/// What a culver agent says in its visa that it can do beside DIMP (extensions.md 2 and 5): the member `culver` of the
/// visa's properties.
package struct Abilities: Sendable, Equatable {
    /// How many contents it takes in one message, at most `ProtocolLimits.arrayContents`; 0 for an agent that takes one.
    package var batch: Int
    /// It takes acknowledgements that are made without a private key.
    package var takesAcknowledgements: Bool
    /// It takes files in pieces.
    package var takesFiles: Bool
    /// Bytes of the longest message on the wire that reaches it, if that is less than every agent takes.
    package var size: Int64?

    /// Those of this version.
    package static let ours = Abilities(
        batch: ProtocolLimits.arrayContents, takesAcknowledgements: true, takesFiles: true)

    package init(batch: Int, takesAcknowledgements: Bool, takesFiles: Bool = false, size: Int64? = nil) {
        self.batch = batch
        self.takesAcknowledgements = takesAcknowledgements
        self.takesFiles = takesFiles
        self.size = size
    }

    /// As it is said: nothing from `ProtocolLimits.messageSize` on, and never less than the least. So nobody can have
    /// others take every message for too large.
    package static func size(_ bytes: Int64) -> Int64? {
        bytes < ProtocolLimits.messageSize ? max(bytes, ProtocolLimits.leastMessageSize) : nil
    }

    /// `nil` for the visa of anything but a culver agent. What cannot be read is no ability.
    init?(_ json: JSON?) {
        guard let version = json?["v"]?.integer, version >= 1 else { return nil }
        let batch = json?["batch"]?.integer ?? 0
        self.batch = batch > 1 ? Int(min(batch, Int64(ProtocolLimits.arrayContents))) : 0
        takesAcknowledgements = json?["ack"]?.integer.map { $0 >= 1 } ?? false
        takesFiles = json?["file"]?.integer.map { $0 >= 1 } ?? false
        size = json?["size"]?.integer.flatMap(Self.size)
    }

    var json: JSON {
        var json: JSONObject = [
            "v": 1, "batch": .integer(Int64(batch)), "ack": .integer(takesAcknowledgements ? 1 : 0),
        ]
        if takesFiles { json["file"] = 1 }
        if let size { json["size"] = .integer(size) }
        return .object(json)
    }
}
