import Format
import TestSupport

extension Dice {
    /// One to four changes of single bits, bytes, pieces or JSON values.
    func damaged(_ original: [UInt8]) -> [UInt8] {
        var bytes = original
        for _ in 0...below(4) {
            guard !bytes.isEmpty else { return bytes }
            let place = below(bytes.count)
            switch below(7) {
            case 0: bytes[place] ^= 1 << UInt8(below(8))
            case 1: bytes[place] = UInt8(below(256))
            case 2: bytes.removeSubrange(place..<min(bytes.count, place + 1 + below(8)))
            case 3: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + 1 + below(8))], at: place)
            case 4 where below(8) == 0: bytes.removeLast(bytes.count - place)
            default:
                if let json = try? JSON(parsing: bytes) { bytes = swapped(json).bytes }
            }
        }
        return bytes
    }

    /// One value somewhere inside replaced, removed, or put under another name.
    func swapped(_ json: JSON) -> JSON {
        switch json {
        case .object(let object) where !object.isEmpty:
            var changed = object
            let (name, value) = object.members[below(object.count)]
            switch below(5) {
            case 0: changed[name] = nil
            case 1: changed[name] = Self.strange[below(Self.strange.count)]
            case 2:
                let other = object.members[below(object.count)]
                changed[name] = other.value
                changed[other.name] = value
            default: changed[name] = swapped(value)
            }
            return .object(changed)
        case .array(var list) where !list.isEmpty:
            let index = below(list.count)
            list[index] = below(2) == 0 ? swapped(list[index]) : Self.strange[below(Self.strange.count)]
            return .array(list)
        case .string(let text) where below(2) == 0:
            var bytes = Array(text.utf8)
            if !bytes.isEmpty { bytes[below(bytes.count)] ^= 1 << UInt8(below(7)) }
            return .string(String(decoding: bytes, as: UTF8.self))
        default: return Self.strange[below(Self.strange.count)]
        }
    }

    /// Values that stand where something else is expected.
    static let strange: [JSON] = [
        nil, true, 0, -1, .integer(.max), .integer(.min), 1e300, -0.5, "", "x", "\0", "=", "AAAA", "MKM", "1", "-1",
        "1e999",
        "nan", "anyone@anywhere", "moki@4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekk", [], .object([:]), [[]], ["a", 1, nil],
        ["type": 1], ["algorithm": "RSA", "data": ""], ["algorithm": "ECC", "data": "04"],
        ["algorithm": "AES", "data": "AA=="],
    ]
}
