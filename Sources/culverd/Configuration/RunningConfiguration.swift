/// The configuration that counts now, and where it was read from. Changed by `Reloading` alone, but for the path of a
/// socket that was handed over.
@MainActor final class RunningConfiguration {
    let options: Options
    let environment: [String: String]
    private(set) var configuration: Configuration
    private(set) var access: Access
    /// The files were read again and have errors: the configuration before them goes on.
    private(set) var isOutdated = false

    init(_ configuration: Configuration, options: Options, environment: [String: String]) {
        self.configuration = configuration
        self.options = options
        self.environment = environment
        access = Access(configuration.access)
    }

    /// Goes on with another one; what needs a new start stays as it is.
    func take(_ new: Configuration) {
        let old = configuration
        configuration = new
        configuration.agent.state = old.agent.state
        configuration.agent.socket = old.agent.socket
        configuration.limits = old.limits
        access = Access(new.access)
        isOutdated = false
    }

    /// What the files say now cannot be taken.
    func stay() { isOutdated = true }

    /// The socket was made by the supervisor.
    func listens(at path: String) { configuration.agent.socket = path }
}
