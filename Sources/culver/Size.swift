/// Bytes for people.
enum Size {
    /// `512 B`, `3.1 GiB`: one digit behind the point, none for bytes.
    static func words(for bytes: Int64) -> String {
        var value = Double(bytes)
        var units = ["B", "KiB", "MiB", "GiB", "TiB"][...]
        while value >= 1024, units.count > 1 {
            value /= 1024
            units.removeFirst()
        }
        let tenths = Int((value * 10).rounded())
        return units.first == "B" ? "\(bytes) B" : "\(tenths / 10).\(tenths % 10) \(units.first ?? "")"
    }
}
