/// Which culver this is: the same for both ends of the socket, which are built from one package.
package enum Release {
    package static let version = "0.1.0"
    /// Seconds since 1970 before which a clock is taken for unset: no culver is older.
    package static let built = 1_793_491_200.0
}
