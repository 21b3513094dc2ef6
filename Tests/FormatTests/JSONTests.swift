import Format
import Testing

@Suite("JSON")
struct JSONTests {
    @Test("every kind of value is read as what it is")
    func values() throws {
        let json = try JSON(parsing: #"{"a":null,"b":true,"c":false,"d":-7,"e":1.5,"f":"x","g":[1,"2"],"h":{"i":{}}}"#)
        #expect(json["a"]?.isNull == true)
        #expect(json["b"]?.bool == true && json["c"]?.bool == false)
        #expect(json["d"]?.integer == -7 && json["e"]?.double == 1.5)
        #expect(json["f"]?.string == "x")
        #expect(json["g"] == [1, "2"])
        #expect(json["h"]?["i"]?.object?.isEmpty == true)
        #expect(json["missing"] == nil && json["f"]?["x"] == nil)
    }

    @Test("a boolean is no number and a number no boolean")
    func booleans() throws {
        let json = try JSON(parsing: #"[true,1,0]"#)
        #expect(json.array?[0].integer == nil && json.array?[0].double == nil)
        #expect(json.array?[1].bool == nil && json.array?[2].bool == nil)
        #expect(json != [1, 1, 0])
    }

    @Test("integers keep all 64 bits, and larger ones are refused")
    func integers() throws {
        let json = try JSON(parsing: "[9223372036854775807,-9223372036854775808,4294967295,9007199254740993]")
        #expect(json == [.integer(.max), .integer(.min), 4_294_967_295, 9_007_199_254_740_993])
        for text in ["[9223372036854775808]", "[-9223372036854775809]", "[99999999999999999999999]"] {
            #expect(throws: JSONError.self) { try JSON(parsing: text) }
        }
    }

    @Test("a number with a fraction of zero is a whole number, any other fraction is none")
    func wholeNumbers() throws {
        let json = try JSON(parsing: "[7.0,7.5,1e3,1e300,-0.0,-0]")
        #expect(json.array?.map(\.integer) == [7, nil, 1000, nil, 0, 0])
        #expect(json == [7, 7.5, 1000, .number(1e300), 0, 0])
    }

    @Test("a time is a number from 0 to the end of the year 9999")
    func seconds() throws {
        let json = try JSON(parsing: "[0,1.5,253402300799,253402300800,1e300,-1,-0.0,9223372036854775807,\"5\",true]")
        #expect(json.array?.map(\.seconds) == [0, 1.5, 253_402_300_799, nil, nil, nil, 0, nil, nil, nil])
        #expect(JSON.number(.nan).seconds == nil && JSON.number(.infinity).seconds == nil)
        #expect([1.9, -0.5, 1e300, .nan, -.infinity].map { Int64(wholeSeconds: $0) } == [1, -1, 0, 0, 0])
    }

    @Test("of a name that stands twice the last value wins, in small objects and in large ones", arguments: [3, 1_000])
    func twice(count: Int) {
        let names = (0..<count).map { "n\($0)" } + ["e\u{301}", "\u{e9}"]
        let object = JSONObject(names.map { ($0, 1) } + [("n1", 2), ("e\u{301}", 3), ("last", 4)])
        #expect(object.names.map { Array($0.utf8) } == (names + ["last"]).map { Array($0.utf8) })
        #expect(object["n1"] == 2 && object["e\u{301}"] == 3 && object["\u{e9}"] == 1 && object["last"] == 4)
    }

    @Test("what a value holds in memory is counted with the places of its elements")
    func footprint() throws {
        let nested = try JSON(parsing: "[" + Array(repeating: "[]", count: 1_000).joined(separator: ",") + "]")
        #expect(nested.footprint > 1_000 * MemoryLayout<JSON>.stride)
        #expect(JSON.string(String(repeating: "x", count: 5_000)).footprint > 5_000)
        #expect(try JSON(parsing: #"{"name":"value"}"#).footprint > 40)
        #expect(JSON.integer(7).footprint == 0)
    }

    @Test("a number too large for a double is refused, one too small is none the worse")
    func extremes() throws {
        #expect(throws: JSONError.self) { try JSON(parsing: "[1e400]") }
        #expect(throws: JSONError.self) { try JSON(parsing: "[-1e400]") }
        #expect(try JSON(parsing: "[1e308]").array?.first?.double == 1e308)
        #expect(try JSON(parsing: "[1e-400]").array?.first?.double == 0)
    }

    @Test(
        "what is no JSON is refused",
        arguments: [
            "", " ", "{", "}", "[1,]", "{\"a\":1,}", "{\"a\"}", "{a:1}", "{'a':1}", "[01]", "[1.]", "[.5]", "[+1]",
            "[1e]",
            "[tru]", "[nan]", "[Infinity]", "[\"\u{1}\"]", "[\"\\x\"]", "[\"\\u12\"]", "[\"a]", "[1] [2]", "{} x",
            "[1]\0",
            "\u{FEFF}{}", "[1 2]", "{\"a\" 1}", "[\"a\nb\"]", "/* c */ {}", "[-]", "[0x10]",
        ])
    func malformed(_ text: String) {
        #expect(throws: JSONError.self) { try JSON(parsing: text) }
    }

    @Test("a value that is neither object nor array is no text of ours")
    func scalars() {
        for text in ["1", "\"a\"", "null", "true"] {
            #expect(throws: JSONError.self) { try JSON(parsing: text) }
        }
    }

    @Test("a name that stands twice is refused, also when it is escaped or deep inside")
    func duplicates() {
        for text in [#"{"a":1,"a":1}"#, #"{"a":1,"\u0061":2}"#, #"[{"x":{"b":1,"c":2,"b":3}}]"#, #"{"":1,"":2}"#] {
            #expect(throws: JSONError.self) { try JSON(parsing: text) }
        }
        #expect(throws: Never.self) { try JSON(parsing: #"{"a":{"a":1},"A":2}"#) }
    }

    @Test("a name with NUL is refused, because it would end there for some readers")
    func nullInName() {
        #expect(throws: JSONError.self) { try JSON(parsing: #"{"a\u0000b":1}"#) }
    }

    @Test("names are compared as bytes: composed and decomposed letters are two names")
    func names() throws {
        let json = try JSON(parsing: "{\"\u{E9}\":1,\"e\u{301}\":2}")
        #expect(json["\u{E9}"] == 1 && json["e\u{301}"] == 2)
        #expect(JSON.string("\u{E9}") != JSON.string("e\u{301}"))
    }

    @Test("lone surrogates and bad UTF-8 are refused")
    func badText() {
        for text in [#"["\ud800"]"#, #"["\udc00"]"#, #"["\ud800x"]"#, #"["\udc00\ud800"]"#, #"{"\ud83d":1}"#] {
            #expect(throws: JSONError.self) { try JSON(parsing: text) }
        }
        let sequences: [[UInt8]] = [
            [0xFF], [0xC0, 0x80], [0xE2, 0x82], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0x80],
            [0xF0, 0x80, 0x80, 0xAF],
        ]
        for bytes in sequences {
            #expect(throws: JSONError.self) { try JSON(parsing: Array("[\"".utf8) + bytes + Array("\"]".utf8)) }
        }
    }

    @Test("text may hold every scalar, NUL among them, escaped or not")
    func allText() throws {
        let json = try JSON(parsing: #"["a\u0000b","\ud83d\ude00","\/\b\f\n\r\t\"\\","\u00e9","é\#u{7F}😀"]"#)
        #expect(json == ["a\0b", "😀", "/\u{8}\u{C}\n\r\t\"\\", "é", "é\u{7F}😀"])
    }

    @Test("depth up to the limit is read, one more is refused")
    func depth() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        #expect(throws: Never.self) { try JSON(parsing: nested(32)) }
        #expect(throws: JSONError.tooDeep(limit: 32)) { try JSON(parsing: nested(33)) }
        #expect(throws: JSONError.tooDeep(limit: 32)) { try JSON(parsing: String(repeating: "[", count: 1 << 20)) }
        let objects = String(repeating: #"{"a":"#, count: 33) + "1" + String(repeating: "}", count: 33)
        #expect(throws: JSONError.tooDeep(limit: 32)) { try JSON(parsing: objects) }
    }

    @Test("values up to the limit are read, one more is refused")
    func values16384() throws {
        func list(_ count: Int) -> String {
            "[" + Array(repeating: "1", count: count).joined(separator: ",") + "]"
        }
        // The list itself counts as one, and its opening bracket as another.
        #expect(try JSON(parsing: list(16_383)).array?.count == 16_383)
        #expect(throws: JSONError.tooManyValues(limit: 16_384)) { try JSON(parsing: list(16_385)) }
        let empties = "[" + Array(repeating: "{}", count: 16_384).joined(separator: ",") + "]"
        #expect(throws: JSONError.tooManyValues(limit: 16_384)) { try JSON(parsing: empties) }
    }

    @Test("brackets and commas inside text are no structure")
    func bracketsInText() throws {
        let text = String(repeating: "[{,", count: 20_000) + #"\"\\"#
        let json = try JSON(parsing: "[\"\(text)\"]", limits: JSONLimits(depth: 1, values: 2))
        #expect(json.array?.first?.string?.utf8.count == 60_002)
    }

    @Test("an error says what and where")
    func errors() {
        #expect(throws: JSONError.self) { try JSON(parsing: "{\"a\":x}") }
        do {
            _ = try JSON(parsing: "{\"a\":x}")
        } catch {
            guard case .malformed(let words, let position) = error else { return #expect(Bool(false), "\(error)") }
            #expect(!words.isEmpty && (4...7).contains(position))
            #expect("\(error)".hasPrefix("not JSON at byte"))
        }
    }

    @Test("the order of names is kept, and counts for nothing in a comparison")
    func order() throws {
        let json = try JSON(parsing: #"{"z":1,"a":2,"m":{"y":1,"x":2}}"#)
        #expect(json.object?.names == ["z", "a", "m"])
        #expect(json.text == #"{"z":1,"a":2,"m":{"y":1,"x":2}}"#)
        #expect(try json == JSON(parsing: #"{"m":{"x":2,"y":1},"a":2,"z":1.0}"#))
        #expect(try json != JSON(parsing: #"{"m":{"x":2,"y":1},"a":2,"z":1,"b":null}"#))
    }

    @Test("members are set, replaced and removed by name")
    func members() {
        var object: JSONObject = ["a": 1, "b": 2]
        object["a"] = 3
        object["c"] = "x"
        object["b"] = nil
        object["none"] = nil
        #expect(object.names == ["a", "c"] && object["a"] == 3 && object.count == 2)
        #expect(JSONObject([("a", 1), ("a", 2)])["a"] == 2)
    }

    @Test("the quick reader and jansson agree about every value that the quick one takes")
    func quickly() throws {
        let limits = JSONLimits(depth: 4, values: 40)
        let texts = [
            #"{"a":"x","b":[1,-2,0,-0],"c":{"d":null,"e":true,"f":false}}"#, #" [ "\"\\\/\b\f\n\r\t" , "é😀" ] "#,
            "\t\r\n{ }\n", "[]", "[[],{}]", "[999999999999999999,-999999999999999999]", "[[[[1]]]]", "[[[[[1]]]]]",
            "[1000000000000000000]", "[01]", "[-]", "[1.5,-0.25,0.1,-0.0,1795459593.5171483]", "[1.]", "[.5]",
            "[1.5e2]", "[1.2.3]", "[00.5]", "[1e3]", "[--1]", #"{"a":1,"a":2}"#, #"{"a":1,}"#, "[1,]",
            "[,1]",
            #"["\u0041"]"#, #"["\x"]"#, "[\"\u{1}\"]", "[\"", "[\"\\", "[\"\\\"", "[tru", "[nul]", "{\"a\"}", "{1:2}",
            "", " ",
            "[1]x", "x[1]", "{} {}", "{}]", "[}", "{\"\u{E9}\":1,\"e\u{301}\":2}",
            "[" + Array(repeating: "1", count: 39).joined(separator: ",") + "]",
            "[" + Array(repeating: "1", count: 41).joined(separator: ",") + "]",
            "{" + (0..<35).map { "\"\($0)\":1" }.joined(separator: ",") + "}",
        ]
        var taken = 0
        for text in texts {
            let bytes = Array(text.utf8)
            let slow = try? JSON(slowly: bytes, limits: limits)
            if let quick = JSON.quick(bytes, limits) {
                taken += 1
                #expect(quick == slow && quick.text == slow?.text, "\(text)")
            }
            #expect((try? JSON(parsing: bytes, limits: limits)) == slow, "\(text)")
        }
        #expect(taken >= 7)
    }

    @Test("the quick reader takes what our own messages are made of")
    func quicklyTaken() {
        let text = #"{"sender":"a@b","time":1750000000,"keys":{"x":"AA=="},"key":{"data":"-----\nMII\n"},"n":[1,true]}"#
        #expect(JSON.quick(Array(text.utf8), JSONLimits()) != nil)
        #expect(JSON.quick(Array(#"["\u0041"]"#.utf8), JSONLimits()) == nil)
        for bytes in [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xE2, 0x82], [0]] as [[UInt8]] {
            #expect(JSON.quick(Array("[\"".utf8) + bytes + Array("\"]".utf8), JSONLimits()) == nil)
        }
    }
}
