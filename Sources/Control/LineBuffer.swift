/// Bytes in, whole lines out. Holds half a line until its end comes, and never more than it is given.
struct LineBuffer {
    private var bytes: [UInt8] = []
    private var start = 0
    /// Up to here there is no line end after `start`.
    private var searched = 0

    /// Bytes that belong to no line yet taken.
    var count: Int { bytes.count - start }

    mutating func append(_ more: some Sequence<UInt8>) {
        bytes.append(contentsOf: more)
    }

    /// The next whole line without its end, or `nil` when there is none yet.
    mutating func next() -> [UInt8]? {
        guard let end = bytes[searched...].firstIndex(of: UInt8(ascii: "\n")) else {
            searched = bytes.count
            compact()
            return nil
        }
        defer {
            start = end + 1
            searched = start
        }
        return Array(bytes[start..<end])
    }

    /// What stands after the last line end: a line too, when nothing more will come.
    mutating func rest() -> [UInt8]? {
        guard count > 0 else { return nil }
        defer { self = LineBuffer() }
        return Array(bytes[start...])
    }

    private mutating func compact() {
        guard start > 0 else { return }
        bytes = Array(bytes[start...])
        searched -= start
        start = 0
    }
}
