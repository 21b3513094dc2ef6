import ArgumentParser
import Glibc

struct Metrics: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print counters and gauges for Prometheus.",
        discussion: """
            The text format, version 0.0.4. Counters begin at 0 when the daemon starts. With metrics_file in the \
            configuration the daemon writes the same to a file once a minute, for node_exporter.
            """)

    @OptionGroup var globals: Globals

    func run() throws {
        globals.show(try globals.daemon().call("metrics", [:])) { result in
            // Scrapers take it as it is; names in it come from strangers, and may not drive a terminal.
            let isTerminal = isatty(STDOUT_FILENO) == 1
            for line in result.text("text").split(separator: "\n") {
                if isTerminal { Screen.line(String(line)) } else { Screen.raw(String(line)) }
            }
        }
    }
}
