package import Format

/// The kinds of recorded cases (wire.md 10). What DIMP software from 2019 to today wrote is compared with what we
/// read and write.
package enum VectorKind: String, Sendable, CaseIterable {
    case content, crypto, document, id, message, meta, reply

    /// Compares every case with us. A case of which nothing is known here is skipped, not passed over in silence.
    package func judge(_ cases: [JSON]) -> Tally {
        var tally = Tally(kind: self)
        for vector in cases {
            guard isKnown(vector) else {
                tally.skipped += 1
                continue
            }
            do {
                try judge(vector)
                tally.agreed += 1
            } catch {
                let name = vector["name"]?.string ?? "without a name"
                tally.disagreed.append("\(name) (\(vector["source"]?.string ?? "of unknown source")): \(error)")
            }
        }
        return tally
    }

    private func isKnown(_ vector: JSON) -> Bool {
        self == .crypto ? CryptoChecks.knows(vector) : true
    }

    private func judge(_ vector: JSON) throws {
        switch self {
        case .content: try ContentChecks.content(vector)
        case .crypto: try CryptoChecks.crypto(vector)
        case .document: try IdentityChecks.document(vector)
        case .id: try IdentityChecks.id(vector)
        case .message: try MessageChecks.message(vector)
        case .meta: try IdentityChecks.meta(vector)
        case .reply: try ContentChecks.reply(vector)
        }
    }
}
