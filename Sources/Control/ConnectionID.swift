/// Names one connection for as long as the server lives; never used again.
package struct ConnectionID: Hashable, Sendable {
    package let number: UInt64

    package init(_ number: UInt64) {
        self.number = number
    }
}

extension ConnectionID: CustomStringConvertible {
    package var description: String { "#\(number)" }
}
