import DIMP
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
        if let words = (try? Content(content)).flatMap({ words(for: $0) }) { return "[\(words)]" }
        let kind = content["type"].map { "type \($0.text)" } ?? "no type"
        return "[\(kind)] \(content.text)"
    }

    /// `nil` where all of it is to be shown.
    private static func words(for content: Content) -> String? {
        switch content.body {
        case .file(let file):
            let bytes = (file.data.map { Int64($0.count) } ?? FileOffer(content.json)?.size).map(size)
            let kind = [18: "image", 20: "audio", 22: "video"][content.type] ?? "file"
            return [kind, file.filename, bytes ?? file.url].compactMap { $0 }.joined(separator: " ")
        case .page(let url, let title, _, _): return ["page", title, url].compactMap { $0 }.joined(separator: " ")
        case .card(let id, let name, _): return ["card", name, id.text].compactMap { $0 }.joined(separator: " ")
        case .money(let currency, let amount): return "money \(amount) \(currency)"
        case .transfer(let currency, let amount, _, let remittee):
            return "transfer \(amount) \(currency)" + (remittee.map { " to \($0)" } ?? "")
        case .combine(let title, let messages): return "\(messages.count) messages: \(title)"
        case .text, .quote, .command, .history, .customized, .array, .forward, .opaque: return nil
        }
    }
}
