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
    /// else, negative and not finite included.
    func seconds(_ names: String...) -> Double? {
        for name in names {
            guard let value = self[name] else { continue }
            guard let seconds = value.double ?? value.string.flatMap(Double.init) else { return nil }
            return seconds.isFinite && seconds >= 0 ? seconds : nil
        }
        return nil
    }

    /// An ID under one of these names; `nil` when there is none or it is none.
    func id(_ names: String...) -> ID? {
        for name in names {
            if let text = self[name]?.string { return ID(text) }
        }
        return nil
    }
}
