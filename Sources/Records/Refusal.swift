/// Why a local program is not served.
package struct Refusal: Error, Sendable, Equatable {
    package var kind: Kind
    /// A stable hyphenated word.
    package var reason: String
    package var text: String

    package init(_ kind: Kind, _ reason: String, _ text: String) {
        self.kind = kind
        self.reason = reason
        self.text = text
    }

    package enum Kind: Sendable {
        case badData, noInput, unknownName, exists, inputOutput, notNow, ended, notPermitted
    }
}
