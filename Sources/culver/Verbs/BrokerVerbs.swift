import ArgumentParser
import Format

struct BrokerVerbs: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "broker", abstract: "The brokers of the configuration, and whether they are connected.",
        subcommands: [List.self])
}

extension BrokerVerbs {
    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the brokers: name, address, state, and why one is away.")

        @OptionGroup var globals: Globals

        func run() throws {
            let brokers = try globals.daemon().call("status", [:]).list("brokers")
            globals.show(["brokers": .array(brokers)]) { _ in
                brokers.forEach { Screen.line(Status.words(forBroker: $0)) }
            }
        }
    }
}
