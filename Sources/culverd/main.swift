import Control
import Dispatch
import Glibc
import System

/// How a daemon that cannot run ends (culver(1)).
func leave(_ status: Int32, _ text: String) -> Never {
    for line in text.split(separator: "\n") { Log(level: .info)(.error, String(line)) }
    exit(status)
}

/// What was asked for, on standard output; an error when it cannot be written.
func say(_ text: String) -> Never {
    print(text)
    exit(fflush(nil) == 0 ? 0 : 74)
}

let options: Options
do throws(InvalidValue) {
    var words: [String] = []
    for bytes in ProgramArguments.bytes {
        guard let word = String(validating: bytes, as: UTF8.self) else {
            throw InvalidValue("\(Values.quoted(String(decoding: bytes, as: UTF8.self))) is not UTF-8")
        }
        words.append(word)
    }
    options = try Options(words)
} catch {
    leave(64, "\(error.words)\n\(Options.usage)")
}
if options.isHelp { say(Options.usage) }
if options.isVersion { say("culverd \(Release.version)") }

let environment = Host.environment
let configuration: Configuration
do throws(ConfigurationErrors) {
    configuration = try Configuration.load(options, environment: environment)
} catch {
    for problem in error.problems { Log(level: .info)(.error, "\(problem)") }
    exit(78)
}
if let missing = configuration.missing { leave(78, missing) }
for words in configuration.unserved { Log(level: .info)(.warning, words) }
if options.isCheck {
    let faults =
        configuration.brokers.compactMap(\.fileFault)
        + configuration.bridges.compactMap { $0.local.fileFault(under: "[bridge \($0.name)]") }
    if !faults.isEmpty { leave(78, faults.joined(separator: "\n")) }
    for broker in configuration.brokers {
        if let doubt = Topics(root: broker.topicRoot).doubt {
            Log(level: .info)(.warning, "\(broker.section) \(doubt)")
        }
    }
    say("the configuration is good")
}

Signals.ignoreFaults()
Host.forbidDumps()
Host.limitMemory(96 << 20)
let supervisor = Supervisor()
let daemon: Daemon
do {
    daemon = try Daemon(configuration, options: options, environment: environment, supervisor: supervisor)
    try daemon.start()
} catch {
    leave(exitStatus(of: error), "\(error)")
}
let signals = Signals(daemon)
dispatchMain()
