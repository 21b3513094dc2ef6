/// One file in a tar archive of POSIX.1-1988 (ustar): a block of 512 bytes before what the file holds, which is filled
/// up to whole blocks. Two blocks of zeros are the end.
///
/// Regular files alone: neither directories nor links, devices and extensions are written, or taken.
struct TarHeader: Equatable {
    static let block = 512
    static let end = [UInt8](repeating: 0, count: 2 * block)
    /// What eleven octal digits cannot say any more.
    private static let beyondDigits: Int64 = 1 << 33

    var name: String
    var size: Int64
    var mode: UInt32
    /// Seconds since 1970.
    var time: Int64

    /// `nil` for a name or size that has no room.
    var bytes: [UInt8]? {
        guard let (prefix, rest) = split, (0..<Self.beyondDigits).contains(size), time >= 0 else { return nil }
        var block = [UInt8](repeating: 0, count: Self.block)
        func put(_ text: [UInt8], _ at: Int) { block.replaceSubrange(at..<at + text.count, with: text) }
        func octal(_ value: Int64, _ width: Int) -> [UInt8] {
            let digits = Array(String(value, radix: 8).utf8)
            return [UInt8](repeating: UInt8(ascii: "0"), count: max(0, width - 1 - digits.count)) + digits
        }
        put(rest, 0)
        put(octal(Int64(mode & 0o777), 8), 100)
        put(octal(0, 8), 108)
        put(octal(0, 8), 116)
        put(octal(size, 12), 124)
        put(octal(min(time, Self.beyondDigits - 1), 12), 136)
        put(Array("        0".utf8), 148)
        put(Array("ustar\0".utf8) + Array("00".utf8), 257)
        put(prefix, 345)
        put(octal(Self.sum(block), 7) + [0], 148)
        return block
    }

    /// What follows the file's bytes up to a whole block.
    var padding: [UInt8] {
        [UInt8](repeating: 0, count: (Self.block - Int(clamping: size % Int64(Self.block))) % Self.block)
    }

    /// The name in its two fields: up to 155 bytes, a `/` that is not written, and up to 100 bytes.
    private var split: (prefix: [UInt8], rest: [UInt8])? {
        let all = Array(name.utf8)
        guard !all.isEmpty, !all.contains(0) else { return nil }
        if all.count <= 100 { return ([], all) }
        for index in all.indices where all[index] == UInt8(ascii: "/") && index <= 155 && all.count - index - 1 <= 100 {
            return (Array(all[..<index]), Array(all[(index + 1)...]))
        }
        return nil
    }
}

extension TarHeader {
    enum Fault: Error, Equatable {
        /// A block of zeros: the end.
        case end
        case damaged(String)
    }

    init(_ block: [UInt8]) throws(Fault) {
        guard block.count == Self.block else { throw .damaged("a block is cut off") }
        guard block.contains(where: { $0 != 0 }) else { throw .end }
        guard block[257..<262].elementsEqual("ustar".utf8) else { throw .damaged("it is no tar archive (ustar)") }
        guard Self.octal(block[148..<156]) == Self.sum(block) else {
            throw .damaged("the check sum of a block is wrong")
        }
        guard let rest = Self.text(block[0..<100]), let prefix = Self.text(block[345..<500]) else {
            throw .damaged("a name is not UTF-8")
        }
        name = prefix.isEmpty ? rest : "\(prefix)/\(rest)"
        guard block[156] == UInt8(ascii: "0") || block[156] == 0 else {
            throw .damaged("\(name.debugDescription) is no regular file")
        }
        guard let size = Self.octal(block[124..<136]), let mode = Self.octal(block[100..<108]) else {
            throw .damaged("\(name.debugDescription) has no readable size")
        }
        self.size = size
        self.mode = UInt32(truncatingIfNeeded: mode & 0o777)
        time = Self.octal(block[136..<148]) ?? 0
    }

    /// Of the block with eight blanks where the sum stands.
    private static func sum(_ block: [UInt8]) -> Int64 {
        var sum: Int64 = 0
        for (index, byte) in block.enumerated() { sum += (148..<156).contains(index) ? 0x20 : Int64(byte) }
        return sum
    }

    /// Digits between blanks and zeros; no more of them than twelve fit.
    private static func octal(_ field: ArraySlice<UInt8>) -> Int64? {
        let digits = field.drop { $0 == 0x20 }.prefix { $0 != 0 && $0 != 0x20 }
        guard !digits.isEmpty else { return nil }
        var value: Int64 = 0
        for digit in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "7")).contains(digit) else { return nil }
            value = value << 3 | Int64(digit - UInt8(ascii: "0"))
        }
        return value
    }

    private static func text(_ field: ArraySlice<UInt8>) -> String? {
        String(validating: field.prefix { $0 != 0 }, as: UTF8.self)
    }
}
