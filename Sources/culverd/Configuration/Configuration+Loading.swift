extension Configuration {
    static let defaultFile = "/etc/culver/culver.conf"

    /// The defaults, then the file and the `*.conf` in the directory of its name with `.d`, then the environment, then
    /// the command line: the later wins. A named file must be there, the default one need not.
    static func load(
        _ options: Options = Options(), environment: [String: String]
    ) throws(ConfigurationErrors) -> Configuration {
        var builder = ConfigurationBuilder(Configuration(options, environment))
        let main = file(options, environment)
        do throws(InvalidValue) {
            if let bytes = try configurationBytes(main) {
                builder.add(bytes, name: main)
            } else if options.config != nil {
                throw InvalidValue("there is no such file")
            }
        } catch {
            builder.add(error, name: main)
        }
        addDirectory("\(main).d", to: &builder)
        builder.add(environment: environment)
        var configuration = try builder.finished()
        if let state = options.state { configuration.agent.state = state }
        if let socket = options.socket { configuration.agent.socket = socket }
        return configuration
    }

    /// The one that is read first, whether it is there or not.
    static func file(_ options: Options, _ environment: [String: String]) -> String {
        options.config ?? (options.isUser ? userFile(environment) : defaultFile)
    }

    /// The path of a file that may be named by its systemd credential; `nil` for a credential that was not given.
    static func path(of file: String, environment: [String: String]) -> String? {
        if file.hasPrefix("/") { return file }
        return environment["CREDENTIALS_DIRECTORY"].map { "\($0)/\(file)" }
    }

    private static func addDirectory(_ directory: String, to builder: inout ConfigurationBuilder) {
        do throws(InvalidValue) {
            for name in try configurationNames(in: directory) {
                let path = "\(directory)/\(name)"
                do throws(InvalidValue) {
                    if let bytes = try configurationBytes(path) { builder.add(bytes, name: path) }
                } catch {
                    builder.add(error, name: path)
                }
            }
        } catch {
            builder.add(error, name: directory)
        }
    }

    /// With `--user`, state and socket are where the XDG base directory specification puts them.
    private init(_ options: Options, _ environment: [String: String]) {
        self.init()
        guard options.isUser else { return }
        agent.state = "\(base("XDG_STATE_HOME", ".local/state", environment))/culver"
        agent.socket = "\(base("XDG_RUNTIME_DIR", ".cache", environment))/culver/culver.sock"
    }

    private static func userFile(_ environment: [String: String]) -> String {
        "\(base("XDG_CONFIG_HOME", ".config", environment))/culver/culver.conf"
    }
}

/// The specification has relative paths ignored.
private func base(_ variable: String, _ fallback: String, _ environment: [String: String]) -> String {
    if let value = environment[variable], value.hasPrefix("/") { return value }
    return "\(environment["HOME"] ?? "")/\(fallback)"
}
