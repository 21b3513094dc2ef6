import Format

/// A message's content in one line for people: its text, or what kind it is and all that stands in it.
enum Content {
    static func words(for content: JSON?) -> String {
        guard let content else { return "" }
        if let text = content["text"]?.string { return text }
        let kind = content["type"].map { "type \($0.text)" } ?? "no type"
        return "[\(kind)] \(content.text)"
    }
}
