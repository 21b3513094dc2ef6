extension String.UTF8View {
    /// Whether these bytes stand anywhere in it. Not `String.contains`, whose library of regular expressions would
    /// make the daemon a megabyte larger.
    package func has(_ part: StaticString) -> Bool {
        let part = Array(part.description.utf8)
        let text = Array(self)
        guard text.count >= part.count else { return false }
        return (0...(text.count - part.count)).contains { text[$0...].starts(with: part) }
    }
}
