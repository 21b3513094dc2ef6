import Glibc

/// An open file descriptor, closed when the last one who knows it lets go, so that its number cannot become someone
/// else's under whoever still watches it.
final class Descriptor: Sendable {
    let number: Int32

    init(_ number: Int32) {
        self.number = number
    }

    deinit {
        close(number)
    }
}
