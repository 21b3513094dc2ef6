import Format
import Foundation
import TestSupport
import Testing

@Suite("JSON as text")
struct JSONTextTests {
    @Test("is on one line, without spaces, and escapes what it must")
    func form() {
        let json: JSON = ["a": [1, -2.5, true, nil], "b": "x\"\\/\n\u{1}\u{7F}é😀", "c": .object([:]), "d": []]
        #expect(json.text == "{\"a\":[1,-2.5,true,null],\"b\":\"x\\\"\\\\/\\n\\u0001\\u007fé😀\",\"c\":{},\"d\":[]}")
    }

    @Test("numbers are the shortest that read back the same; what JSON cannot say is null")
    func numbers() throws {
        for value in [
            0.1, 1.0 / 3, 1e21, Double.leastNonzeroMagnitude, 1.7976931348623157e308, -0.0, 1_700_000_000.25, 1e16,
            123456789012345680,
        ] {
            let text = JSON.array([.number(value)]).text
            #expect(try JSON(parsing: text).array?.first?.double == value, "\(text)")
        }
        #expect(JSON.array([0.1]).text == "[0.1]")
        #expect(JSON.array([.number(.infinity), .number(-.infinity), .number(.nan)]).text == "[null,null,null]")
    }

    @Test("what we write we read again, and Foundation reads the same")
    func roundTrips() throws {
        let dice = Dice(seed: 42)
        for _ in 0..<500 {
            let json = JSON.array([dice.json(depth: 4)])
            #expect(try JSON(parsing: json.bytes) == json)
            let theirs = try JSONSerialization.jsonObject(with: Data(json.bytes))
            let again = try JSONSerialization.data(withJSONObject: theirs)
            #expect(try JSON(parsing: [UInt8](again)) == json, "\(json.text)")
        }
    }

    @Test("bytes that were changed at random are read or refused, and what is read is written again the same")
    func mutations() throws {
        let dice = Dice(seed: 7)
        let start = Array(
            #"{"sender":"a@b","n":[1,-2.5,true,false,null,"é\n\\x\/"],"o":{"p":{},"q":[]},"t":"é😀","":0}"#.utf8)
        var taken = 0
        var quickly = 0
        for _ in 0..<20_000 {
            var bytes = start
            for _ in 0...dice.below(3) {
                let place = dice.below(bytes.count)
                switch dice.below(5) {
                case 4: bytes[place] = Array("{}[]:,\"\\0-1.eEu tn".utf8)[dice.below(18)]
                case 0: bytes[place] ^= 1 << UInt8(dice.below(8))
                case 1: bytes[place] = UInt8(dice.below(256))
                case 2: bytes.remove(at: place)
                default: bytes.insert(bytes[dice.below(bytes.count)], at: place)
                }
            }
            let json = try? JSON(slowly: bytes, limits: JSONLimits())
            // The quick reader may pass, but where it answers it is right.
            if let quick = JSON.quick(bytes, JSONLimits()) {
                quickly += 1
                #expect(quick == json && quick.text == json?.text, "\(String(decoding: bytes, as: UTF8.self))")
            }
            guard let json else { continue }
            taken += 1
            #expect(try JSON(parsing: json.bytes) == json)
        }
        #expect(taken > 100 && taken < 19_900 && quickly > 100)
    }
}

/// Eight bytes are looked at together: each kind of byte stands at each place of the words.
@Suite("JSON text by words")
struct JSONWordTests {
    @Test(
        "a character that needs an escape is found at every place",
        arguments: ["\"", "\\", "\n", "\u{1F}", "\u{7F}", "é", "😀", "!"])
    func places(_ character: String) throws {
        for length in 0..<20 {
            for place in 0...length {
                var text = String(repeating: "~", count: length)
                text.insert(contentsOf: character, at: text.index(text.startIndex, offsetBy: place))
                let written = JSON.array([.string(text)]).bytes
                #expect(try JSON(slowly: written, limits: JSONLimits()) == .array([.string(text)]))
                #expect(try JSON(parsing: written) == .array([.string(text)]))
                #expect(written.allSatisfy { $0 >= 0x20 && $0 != 0x7F })
            }
        }
    }

    @Test(
        "control characters and bad UTF-8 are refused at every place",
        arguments: [0x00, 0x0A, 0x1F, 0x80, 0xFF] as [UInt8])
    func refused(_ byte: UInt8) {
        for length in 0..<20 {
            for place in 0...length {
                var bytes = [UInt8](repeating: UInt8(ascii: "~"), count: length)
                bytes.insert(byte, at: place)
                let text = Array("[\"".utf8) + bytes + Array("\"]".utf8)
                #expect(JSON.quick(text, JSONLimits()) == nil)
                #expect(throws: JSONError.self) { try JSON(parsing: text) }
            }
        }
    }
}

/// Values of every kind.
extension Dice {
    func text() -> String {
        let scalars = "ab\"\\/\n\t\r\0\u{1}\u{1F}\u{7F} éß漢😀\u{2028}\u{10FFFF}".unicodeScalars.map { $0 }
        var text = String.UnicodeScalarView()
        for _ in 0..<below(8) { text.append(scalars[below(scalars.count)]) }
        return String(text)
    }

    func json(depth: Int) -> JSON {
        switch below(depth == 0 ? 5 : 7) {
        case 0: return nil
        case 1: return .bool(below(2) == 0)
        case 2: return .integer(Int64(truncatingIfNeeded: next() >> UInt64(below(64))))
        // Few digits: some readers do not round the last one of seventeen as they should.
        case 3: return .number(Double(below(2_000_000) - 1_000_000) / 1024)
        case 4: return .string(text())
        case 5:
            var list: [JSON] = []
            for _ in 0..<below(5) { list.append(json(depth: depth - 1)) }
            return .array(list)
        default:
            var object: JSONObject = [:]
            // jansson has no names with NUL.
            for _ in 0..<below(5) { object[text().filter { $0 != "\0" }] = json(depth: depth - 1) }
            return .object(object)
        }
    }
}
