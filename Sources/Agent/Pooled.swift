/// Messages that the pool seals now, by id, and the bytes of their contents: they are in no ledger's sums yet.
struct Pooled {
    private var sizes: [String: Int] = [:]
    private(set) var bytes = 0

    var count: Int { sizes.count }
    var isEmpty: Bool { sizes.isEmpty }

    func contains(_ id: String) -> Bool { sizes[id] != nil }

    mutating func insert(_ id: String, bytes size: Int) {
        bytes += size - (sizes.updateValue(size, forKey: id) ?? 0)
    }

    mutating func remove(_ id: String) {
        bytes -= sizes.removeValue(forKey: id) ?? 0
    }
}
