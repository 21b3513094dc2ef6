/// Which culver this is: the same for both ends of the socket, which are built from one package.
package enum Release {
    package static let version = "0.1.0"
}
