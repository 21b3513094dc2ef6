import Glibc

/// An open file descriptor, closed when the last one who knows it lets go. Dispatch sources keep theirs until they
/// have been cancelled, so that its number cannot become someone else's under them.
final class Descriptor: Sendable {
    let number: Int32

    init(_ number: Int32) {
        self.number = number
    }

    deinit {
        close(number)
    }
}
