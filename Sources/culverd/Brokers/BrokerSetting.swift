import Transport

/// How one broker is reached, from its section of the configuration.
struct BrokerSetting: Sendable {
    var options: BrokerOptions
    var topics: Topics
    var url: String

    /// Whether a connection made by one does for the other.
    func connects(like other: BrokerSetting) -> Bool {
        let (one, two) = (options, other.options)
        return url == other.url && topics.root == other.topics.root && one.username == two.username
            && one.password == two.password && one.caFile == two.caFile && one.certFile == two.certFile
            && one.keyFile == two.keyFile && one.keepAlive == two.keepAlive
    }
}
