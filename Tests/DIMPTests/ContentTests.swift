import Format
import Testing

@testable import DIMP

@Suite("Contents and commands")
struct ContentTests {
    static let did = "hulk@4YeVEN3aUnvC1DNUufCq1bs9zoBSJTzVEj"
    private static let id = ID(did) ?? .anyone

    private func content(_ text: String) throws -> Content {
        try Content(JSON(parsing: text.replacing("DID", with: Self.did)))
    }

    /// The content, and what it means.
    private static let known: [(String, Body)] = [
        (#"{"type":1,"text":""}"#, .text("")),
        (#"{"type":"1","text":"a\u0000b"}"#, .text("a\0b")),
        (#"{"type":"text","text":"x"}"#, .text("x")),
        (#"{"T":"1","N":2,"text":"short"}"#, .text("short")),
        (
            #"{"type":32,"URL":"http://x","title":"t","desc":"d","HTML":"h"}"#,
            .page(url: "http://x", title: "t", description: "d", html: "h")
        ),
        (#"{"type":"page","title":"t"}"#, .page(url: nil, title: "t", description: nil, html: nil)),
        (#"{"type":51,"did":"DID","name":"n","avatar":"a"}"#, .card(id, name: "n", avatar: "a")),
        (#"{"type":"51","ID":"DID"}"#, .card(id, name: nil, avatar: nil)),
        (#"{"type":55,"text":"t","origin":{"sn":1}}"#, .quote(text: "t", origin: ["sn": 1])),
        // JavaScript's own word for it.
        (#"{"type":"receipt","text":"t","origin":{"sn":1}}"#, .quote(text: "t", origin: ["sn": 1])),
        (#"{"type":64,"currency":"EUR","amount":5}"#, .money(currency: "EUR", amount: 5)),
        (
            #"{"type":65,"currency":"EUR","amount":0.5,"remitter":"DID","remittee":"DID"}"#,
            .transfer(currency: "EUR", amount: 0.5, remitter: id, remittee: id)
        ),
        (
            #"{"type":65,"currency":"EUR","amount":-1}"#,
            .transfer(currency: "EUR", amount: -1, remitter: nil, remittee: nil)
        ),
        (#"{"type":160,"app":"a","mod":"m","act":"x"}"#, .customized(app: "a", module: "m", act: "x")),
        (#"{"type":"application","app":"a","mod":"m","act":"x"}"#, .customized(app: "a", module: "m", act: "x")),
        (#"{"type":"customized","app":"a","mod":"m","act":"x","z":1}"#, .customized(app: "a", module: "m", act: "x")),
        (#"{"type":202,"contents":[1]}"#, .array([1])),
        (#"{"type":207,"messages":[{}]}"#, .combine(title: "", messages: [[:]])),
        (#"{"type":255,"forward":{"a":1}}"#, .forward([["a": 1]])),
        (#"{"type":255,"forward":{"a":1},"secrets":[{"a":1},{"b":2}]}"#, .forward([["a": 1], ["b": 2]])),
        (
            #"{"type":136,"command":"handshake","message":"Hello world!"}"#,
            .command(.handshake(title: "Hello world!", session: nil))
        ),
        (
            #"{"type":136,"cmd":"handshake","title":"DIM?","session":"s"}"#,
            .command(.handshake(title: "DIM?", session: "s"))
        ),
        (#"{"type":136,"command":"meta","did":"DID"}"#, .command(.meta(id, meta: nil))),
        (#"{"type":136,"command":"meta","ID":"DID","meta":{}}"#, .command(.meta(id, meta: [:]))),
        (
            #"{"type":136,"command":"documents","did":"DID","last_time":"5"}"#,
            .command(.documents(id, documents: [], meta: nil, since: 5))
        ),
        (
            #"{"type":136,"command":"document","ID":"DID","document":{"a":1}}"#,
            .command(.documents(id, documents: [["a": 1]], meta: nil, since: nil))
        ),
        (
            #"{"type":136,"command":"profile","ID":"DID","profile":"d","signature":"s"}"#,
            .command(
                .documents(
                    id, documents: [["ID": .string(did), "data": "d", "signature": "s"]], meta: nil, since: nil))
        ),
        (#"{"type":136,"command":"report","title":"online"}"#, .command(.report(title: "online"))),
        (#"{"type":136,"command":"report","state":"background"}"#, .command(.report(title: "background"))),
        (#"{"type":136,"command":"offline"}"#, .command(.report(title: "offline"))),
        (#"{"type":136,"command":"mute"}"#, .command(.mute(nil))),
        (#"{"type":136,"command":"mute","list":[]}"#, .command(.mute([]))),
        (#"{"type":136,"command":"block","list":["DID","no ID",7]}"#, .command(.block([id]))),
        (
            #"{"type":136,"command":"login","ID":"DID","station":{"port":9394}}"#,
            .command(.login(id, station: ["port": 9394]))
        ),
        (#"{"type":136,"command":"search","keywords":"k"}"#, .command(.search(keywords: "k", users: nil))),
        (#"{"type":136,"command":"users","users":["DID"]}"#, .command(.search(keywords: nil, users: [.string(did)]))),
        (#"{"type":136,"command":"storage","title":"contacts","data":"x"}"#, .command(.storage(title: "contacts"))),
        (#"{"type":136,"command":"private_key"}"#, .command(.storage(title: "private_key"))),
        (#"{"type":136,"command":"ans","names":"a b"}"#, .command(.names(["a", "b"], records: nil))),
        (#"{"type":136,"command":"ans","records":{"a":"DID"}}"#, .command(.names([], records: ["a": .string(did)]))),
        (
            #"{"type":136,"command":"broadcast","x":1}"#,
            .command(.broadcast(["type": 136, "command": "broadcast", "x": 1]))
        ),
        (#"{"type":136,"command":"frobnicate"}"#, .command(.other("frobnicate"))),
    ]

    @Test("every content and command is read in the spellings of all eras", arguments: known.indices)
    func read(index: Int) throws {
        let (text, body) = Self.known[index]
        #expect(try content(text).body == body)
    }

    @Test("a file is read with its bytes inside, as a data URI, and behind a URL with a key under both names")
    func files() throws {
        func file(_ text: String) throws -> FileReference? {
            guard case .file(let file) = try content(text).body else { return nil }
            return file
        }
        #expect(try file(#"{"type":16,"filename":"a.txt","data":"aGk="}"#)?.data == [104, 105])
        let uri = "data:text/plain;charset=utf-8;filename=a.txt;base64,aGk="
        #expect(try file(#"{"type":18,"data":"\#(uri)","thumbnail":"x"}"#)?.data == [104, 105])
        for name in ["key", "password"] {
            let key = #"{"algorithm":"AES","data":"AAAAAAAAAAAAAAAAAAAAAA=="}"#
            #expect(try file(#"{"type":20,"URL":"http://x","\#(name)":\#(key)}"#)?.key != nil)
        }
        let plain = try file(#"{"type":"22","URL":"http://x","key":{"algorithm":"PLAIN"}}"#)
        #expect(plain?.key == .plain && plain?.url == "http://x")
    }

    static let damaged = [
        #"{"type":1}"#, #"{"type":1,"text":7}"#, #"{"type":1,"text":null}"#, #"{"type":1,"text":["x"]}"#,
        #"{"type":16,"data":"no base64!"}"#, #"{"type":16,"data":7}"#, #"{"type":16,"URL":"x","key":"k"}"#,
        #"{"type":18,"data":{}}"#, #"{"type":20,"URL":"x","password":{"algorithm":"ROT13"}}"#,
        #"{"type":22,"key":{"algorithm":"AES","data":"AA=="}}"#, #"{"type":32}"#, #"{"type":32,"title":{}}"#,
        #"{"type":51}"#, #"{"type":51,"did":"nobody"}"#,
        #"{"type":55,"text":"t"}"#, #"{"type":55,"text":"t","origin":"o"}"#, #"{"type":55,"origin":{}}"#,
        #"{"type":"receipt","text":7,"origin":{}}"#, #"{"type":64,"currency":"EUR"}"#,
        #"{"type":64,"currency":"EUR","amount":"5"}"#, #"{"type":64,"currency":1,"amount":1}"#,
        #"{"type":65,"amount":true,"currency":"EUR"}"#, #"{"type":66}"#, #"{"type":72,"x":1}"#, #"{"type":73}"#,
        #"{"type":136}"#, #"{"type":136,"command":7}"#, #"{"type":136,"command":"handshake"}"#,
        #"{"type":136,"command":"meta"}"#, #"{"type":136,"command":"meta","did":"nobody","meta":{}}"#,
        #"{"type":136,"command":"documents","did":[]}"#, #"{"type":136,"command":"login","did":"nobody"}"#,
        #"{"type":137}"#, #"{"type":137,"command":{}}"#, #"{"type":160,"app":"a","mod":"m"}"#,
        #"{"type":204,"app":"a","mod":"m","act":7}"#, #"{"type":202}"#, #"{"type":202,"contents":{}}"#,
        #"{"type":207}"#, #"{"type":207,"messages":"m"}"#, #"{"type":255}"#, #"{"type":255,"secrets":7}"#,
        #"{"type":0}"#, #"{"type":99,"x":1}"#, #"{"type":-1}"#, #"{"type":9223372036854775807}"#,
        #"{"type":"*","x":1}"#, #"{"type":"bogus"}"#, #"{"type":"99","x":[]}"#,
    ]

    @Test("what is unknown, or has members that cannot be read, is kept whole", arguments: damaged)
    func opaque(text: String) throws {
        let content = try content(text)
        #expect(content.body == .opaque)
        #expect(try JSON.object(content.json) == JSON(parsing: text.replacing("DID", with: Self.did)))
    }

    @Test("a list of more than 1024 IDs is not read", arguments: ["mute", "block"])
    func longList(command: String) throws {
        let list = JSON.array([JSON](repeating: .string(Self.did), count: 1_025))
        let json: JSON = ["type": 136, "command": .string(command), "list": list]
        #expect(try Content(json).body == .opaque)
    }

    @Test(
        "without an object or a type there is no content",
        arguments: [
            #"{}"#, "[]", #"{"type":""}"#,
            #"{"type":null}"#, #"{"type":{}}"#, #"{"type":[1]}"#, #"{"type":true}"#, #"{"type":1.5}"#, #"{"text":"x"}"#,
        ])
    func none(text: String) throws {
        let json = try JSON(parsing: text)
        #expect(throws: Rejection.self) { try Content(json) }
    }

    @Test("a JavaScript quote is none where a command says what it is")
    func noQuote() throws {
        #expect(try content(#"{"type":"receipt","command":"receipt","text":"t","origin":{}}"#).body == .opaque)
    }
}
