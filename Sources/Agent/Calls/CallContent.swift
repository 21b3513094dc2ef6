package import DIMP
import Format
package import Records

/// A content of the modules `call` and `reply` as it came, with who sent it (extensions.md 11).
///
///     {"type": 204, "app": "culver", "mod": "call", "act": COMMAND, "call": NAME, "deadline": T, "args": […], "input"?}
///     {"type": 204, "app": "culver", "mod": "reply", "act": COMMAND, "call": NAME, "part": 0, "status": 0, "output": …,
///      "error"?: REASON, "final": true}
struct CallContent {
    enum Module: String {
        case call, reply
    }

    var module: Module
    var object: JSONObject
    var sender: ID
    var owner: ID
    /// When it was written, in whole seconds since 1970; long ago where it does not say.
    var time: Double
    /// Only what nobody can replay, re-address or re-date is a call.
    var isSealed: Bool

    /// `nil` for every other content.
    init?(_ content: Content, in opened: Opened) {
        guard let module = content.json.culverModule.flatMap(Module.init), !opened.arrival.isForAll else { return nil }
        self.module = module
        object = content.json
        time = content.time ?? 0
        sender = opened.sender.bare
        owner = opened.owner.bare
        isSealed = opened.isSealed && opened.isEncrypted
    }

    /// 1 to 64 characters of `[0-9A-Za-z._-]`.
    var name: String? { Self.label(object["call"]) }
    var command: String? { Self.label(object["act"]) }

    static func label(_ json: JSON?) -> String? {
        guard let text = json?.string, (1...64).contains(text.utf8.count) else { return nil }
        let isGood = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
        return isGood ? text : nil
    }
}

/// What is run for a call, or handed to the program that serves it.
package struct CallRun: Sendable, Equatable {
    package var key: ServedCall.Name
    package var owner: ID
    package var rule: CallRule
    package var deadline: Double
    package var arguments: [String]
    package var input: String?
}

/// How a call ended, or what it said before.
package struct CallResult: Sendable, Equatable {
    /// 0 to 255.
    package var status: Int64
    package var output: String
    /// A stable word, where it did not end by itself.
    package var error: String?
    package var isFinal: Bool

    package init(status: Int64, output: String, error: String? = nil, isFinal: Bool = true) {
        self.status = status
        self.output = output
        self.error = error
        self.isFinal = isFinal
    }
}

/// What happens to calls besides messages.
package enum CallNews: Sendable {
    /// The daemon has begun: what its last run left without an answer was interrupted.
    case restarted
    /// What runs or serves a call says something.
    case said(ServedCall.Name, CallResult)
    /// The owner's word: none is run, and what runs is ended; or they are run again.
    case switched(on: Bool)
    /// A program on the socket serves a command, or does so no more.
    case serves(CallRule)
    case left(command: String)
}

/// What is to be done about calls, after the turn is on disk.
package enum CallOrder: Sendable {
    case run(CallRun)
    case stop(ServedCall.Name)
    /// An answer to a call of this board's is there.
    case answered(call: String)
}
