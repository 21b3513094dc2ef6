package import DIMP

/// A call that somebody made here (extensions.md 11). It is written down before it begins and is never begun again,
/// because its row is there.
package struct ServedCall: Sendable, Equatable {
    package var key: Name
    /// The identity that was called, and answers.
    package var owner: ID
    package var command: String
    /// Seconds since 1970: it is not begun after that.
    package var deadline: Double
    /// The last answer's members as JSON text; `nil` while it has none.
    package var answer: String?

    package init(key: Name, owner: ID, command: String, deadline: Double, answer: String? = nil) {
        self.key = key
        self.owner = owner
        self.command = command
        self.deadline = deadline
        self.answer = answer
    }

    /// Callers choose their names for calls, so a name is one of its caller's.
    package struct Name: Sendable, Hashable {
        package var caller: ID
        package var call: String

        package init(caller: ID, call: String) {
            self.caller = caller
            self.call = call
        }
    }
}

/// A call that a program of this board made.
package struct Calling: Sendable, Equatable {
    /// Its name, random or the program's own.
    package var call: String
    package var sender: ID
    package var receiver: ID
    /// Command, arguments and input as JSON text: what asks again under the same name has to ask the same.
    package var request: String
    /// Seconds since 1970.
    package var deadline: Double

    package init(call: String, sender: ID, receiver: ID, request: String, deadline: Double) {
        self.call = call
        self.sender = sender
        self.receiver = receiver
        self.request = request
        self.deadline = deadline
    }
}

/// One answer to a call of this board's, the only one or one of several.
package struct CallAnswer: Sendable, Equatable {
    package var call: String
    /// Who answered: of a group each member does.
    package var sender: ID
    /// From 0, in the order in which they were given.
    package var part: Int64
    /// Its members as JSON text.
    package var text: String

    package init(call: String, sender: ID, part: Int64, text: String) {
        self.call = call
        self.sender = sender
        self.part = part
        self.text = text
    }
}
