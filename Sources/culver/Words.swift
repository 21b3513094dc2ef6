import Format

/// Values as people read them.
enum Words {
    /// `512 B`, `3.1 GiB`: one digit behind the point, none for bytes.
    static func size(_ bytes: Int64) -> String {
        var value = Double(bytes)
        var units = ["B", "KiB", "MiB", "GiB", "TiB"][...]
        while value >= 1024, units.count > 1 {
            value /= 1024
            units.removeFirst()
        }
        let tenths = Int64((value * 10).rounded())
        return units.first == "B" ? "\(bytes) B" : "\(tenths / 10).\(tenths % 10) \(units.first ?? "")"
    }

    /// A message's content in one line: its text, or what kind it is and all that stands in it.
    static func content(_ content: JSON?) -> String {
        guard let content else { return "" }
        if let text = content["text"]?.string { return text }
        let kind = content["type"].map { "type \($0.text)" } ?? "no type"
        return "[\(kind)] \(content.text)"
    }
}
