/// The members of a JSON object in the order in which they were written, each name once.
///
/// Names are compared as UTF-8 bytes, like everything of DIMP: no Unicode normalisation. Objects on the wire have a
/// dozen members, so a list beats a table.
package struct JSONObject: Sendable {
    package private(set) var members: [(name: String, value: JSON)]

    package init() {
        members = []
    }

    /// Of a name that stands twice the last value wins.
    package init(_ members: [(String, JSON)]) {
        self.members = []
        self.members.reserveCapacity(members.count)
        guard members.count > Self.few else {
            for (name, value) in members {
                if let place = index(of: name) {
                    self.members[place].value = value
                } else {
                    self.members.append((name, value))
                }
            }
            return
        }
        var places: [[UInt8]: Int] = [:]
        for (name, value) in members {
            if let place = places.updateValue(self.members.count, forKey: Array(name.utf8)) {
                places[Array(name.utf8)] = place
                self.members[place].value = value
            } else {
                self.members.append((name, value))
            }
        }
    }

    /// So many are looked through one by one.
    private static let few = 32

    /// Only for a reader that has already refused a name that stands twice.
    package init(distinct members: [(name: String, value: JSON)]) {
        self.members = members
    }

    package var count: Int { members.count }
    package var isEmpty: Bool { members.isEmpty }
    package var names: [String] { members.map(\.name) }

    /// Setting `nil` removes the member; a new name goes to the end.
    package subscript(name: String) -> JSON? {
        get { index(of: name).map { members[$0].value } }
        set {
            switch (index(of: name), newValue) {
            case (let found?, let value?): members[found].value = value
            case (let found?, nil): members.remove(at: found)
            case (nil, let value?): members.append((name, value))
            case (nil, nil): break
            }
        }
    }

    private func index(of name: String) -> Int? {
        let index = members.firstIndex { $0.name.isSame(as: name) }
        #if DEBUG
        Effort.counted?.add(1 + (index ?? members.count))
        #endif
        return index
    }
}

extension JSONObject: Equatable {
    package static func == (left: JSONObject, right: JSONObject) -> Bool {
        guard left.count == right.count else { return false }
        let a = left.members.sorted(by: precedes)
        let b = right.members.sorted(by: precedes)
        return zip(a, b).allSatisfy { $0.name.isSame(as: $1.name) && $0.value == $1.value }
    }

    private static func precedes(_ a: (name: String, value: JSON), _ b: (name: String, value: JSON)) -> Bool {
        a.name.utf8.lexicographicallyPrecedes(b.name.utf8)
    }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
    package init(dictionaryLiteral elements: (String, JSON)...) {
        self.init(elements)
    }
}

extension String {
    /// The same bytes. `==` also takes composed and decomposed letters for the same.
    func isSame(as other: String) -> Bool {
        guard utf8.count == other.utf8.count else { return false }
        let isSame = utf8.withContiguousStorageIfAvailable { left in
            other.utf8.withContiguousStorageIfAvailable { right in left.elementsEqual(right) }
        }
        return (isSame ?? nil) ?? utf8.elementsEqual(other.utf8)
    }
}

extension Collection<UInt8> {
    /// Whether these bytes stand anywhere in it. Not `String.contains`, whose library of regular expressions would
    /// make the daemon a megabyte larger.
    package func has(_ part: StaticString) -> Bool {
        let part = Array(part.description.utf8)
        let text = Array(self)
        guard text.count >= part.count else { return false }
        return (0...(text.count - part.count)).contains { text[$0...].starts(with: part) }
    }
}
