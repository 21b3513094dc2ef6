import Format

/// What a culver agent says in its visa that it can do beside DIMP (extensions.md 2 and 5): the member `culver` of the
/// visa's properties.
package struct Abilities: Sendable, Equatable {
    /// How many contents it takes in one message, at most `ProtocolLimits.arrayContents`; 0 for an agent that takes one.
    package var batch: Int
    /// It takes acknowledgements that are made without a private key.
    package var takesAcknowledgements: Bool

    /// Those of this version.
    package static let ours = Abilities(batch: ProtocolLimits.arrayContents, takesAcknowledgements: true)

    package init(batch: Int, takesAcknowledgements: Bool) {
        self.batch = batch
        self.takesAcknowledgements = takesAcknowledgements
    }

    /// `nil` for the visa of anything but a culver agent. What cannot be read is no ability.
    init?(_ json: JSON?) {
        guard let version = json?["v"]?.integer, version >= 1 else { return nil }
        let batch = json?["batch"]?.integer ?? 0
        self.batch = batch > 1 ? Int(min(batch, Int64(ProtocolLimits.arrayContents))) : 0
        takesAcknowledgements = json?["ack"]?.integer.map { $0 >= 1 } ?? false
    }

    var json: JSON { ["v": 1, "batch": .integer(Int64(batch)), "ack": .integer(takesAcknowledgements ? 1 : 0)] }
}
