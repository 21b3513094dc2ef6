package import Format

extension JSONObject {
    /// The first member that is there under one of these names: what an era calls it (wire.md 1).
    package func first(_ names: String...) -> JSON? {
        for name in names {
            if let value = self[name], !value.isNull { return value }
        }
        return nil
    }

    /// Seconds since 1970 (wire.md 7.5): a whole number, a fraction or digits in a string; `nil` for anything
    /// else, and beyond `JSON.times`.
    func seconds(_ names: String...) -> Double? {
        for name in names {
            guard let value = self[name] else { continue }
            return value.seconds ?? value.string.flatMap(Double.init).flatMap { JSON.number($0).seconds }
        }
        return nil
    }

    /// The members that DIMP defines for a meta or a document, in their order; all others are left behind, because
    /// nobody has signed them. Throws beyond `ProtocolLimits.cardBytes`.
    func card(_ names: [String]) throws(Rejection) -> JSONObject {
        let card = JSONObject(distinct: members.filter { names.contains($0.name) })
        guard JSON.object(card).bytes.count <= ProtocolLimits.cardBytes else {
            throw Rejection(.meta, "a meta or a document of more than \(ProtocolLimits.cardBytes) bytes")
        }
        return card
    }

    /// An ID under one of these names; `nil` when there is none or it is none.
    func id(_ names: String...) -> ID? {
        for name in names {
            if let text = self[name]?.string { return ID(text) }
        }
        return nil
    }
}
