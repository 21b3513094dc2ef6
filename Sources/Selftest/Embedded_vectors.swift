import CVectors
package import Format

/// The recorded cases that the program carries in itself.
package enum Embedded {
    /// Those of one kind, in the order of their names.
    package static func cases(of kind: VectorKind) throws(JSONError) -> [JSON] {
        var cases: [JSON] = []
        for file in files where file.name.hasPrefix(kind.rawValue + "/") {
            cases.append(try JSON(parsing: file.bytes))
        }
        return cases
    }

    /// All files, as vectors.S lays them out: name, NUL, length, bytes.
    package static var files: [(name: String, bytes: [UInt8])] {
        var count = 0
        var rest = UnsafeRawBufferPointer(start: culver_vectors(&count), count: count)[...]
        var files: [(name: String, bytes: [UInt8])] = []
        while let end = rest.firstIndex(of: 0) {
            let name = String(decoding: rest[..<end], as: UTF8.self)
            rest = rest[(end + 1)...]
            let length = Int(UnsafeRawBufferPointer(rebasing: rest).loadUnaligned(as: UInt32.self))
            rest = rest.dropFirst(4)
            files.append((name, Array(rest.prefix(length))))
            rest = rest.dropFirst(length)
        }
        return files
    }
}
