/// Why a local program is not served.
package struct Refusal: Error, Sendable, Equatable {
    package var kind: Kind
    /// A stable hyphenated word.
    package var reason: String
    package var text: String
    /// What may help, where that is known.
    package var hint: String?

    package init(_ kind: Kind, _ reason: String, _ text: String, hint: String? = nil) {
        self.kind = kind
        self.reason = reason
        self.text = text
        self.hint = hint
    }

    package enum Kind: Sendable {
        /// What the program gave cannot be used as it is.
        case badData
        /// There is no such message or file.
        case noInput
        /// There is no such name, contact or identity.
        case unknownName
        /// It is there already.
        case exists
        /// The disk's or the keys' fault.
        case inputOutput
        /// Later it may work.
        case notNow
        /// The message has ended.
        case ended
        case notPermitted
    }
}
