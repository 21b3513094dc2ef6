import ArgumentParser
import Control
import Diagnostics
import Format
import Glibc
import Store
import System

struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Look for what is wrong and say what cures it.",
        discussion: """
              culver doctor
              sudo culver doctor --fix

            Prints a line for each thing that was looked at, ok, warn or fail, and after it a line hint: with the cure, \
            a command or a line of a configuration. Ends with 0 when all is well, 1 after a warning, 2 after a failure.

            The daemon looks at its files, keys, clock, disk, database and limits, and tries each broker with \
            connections of its own: is it reachable, are its certificates good, do our topics work (whatever the \
            broker grants, only a message that comes back tells), does it keep messages for a board that is away, and \
            how many. That takes some seconds, writes a hundred small messages to this board's own inbox, which nobody \
            sees, and leaves nothing on the broker. It needs the role admin; a reader gets all the rest.

            Where no daemon runs, and with --state, the files alone are looked at: those of --state, else of the state \
            directory in the file of --config, else of the user's own or the system's. Run as root it sees them all.

            --fix sets right who may read and change files, as its user can, and says what it did; nothing else is \
            changed. It works without a daemon, which does not start while others can read a private key.
            """)

    @Flag(help: "Carry out the cures of owners and permissions.") var fix = false
    @OptionGroup var place: Anywhere

    func run() throws {
        let checks = try place.state.map { files(in: $0.text) } ?? wholeBoard()
        if place.globals.json {
            Screen.line(checks.json)
        } else {
            Doctor.show(checks)
        }
        guard checks.worst == .ok else { throw Quiet(exit: checks.worst.rank) }
    }

    private func wholeBoard() throws -> [Check] {
        let path = try place.globals.socketPath()
        let around = [Board.socket(path), Board.synchronisation(), Board.unit()].compactMap { $0 }
        do {
            return try asked(place.globals.daemon()) + around
        } catch let error as ControlError {
            let daemon = Check("daemon", .fail, error.description, hint: Board.cure(error, path))
            guard error.exit == .noDaemon || error == .timedOut else { return [daemon] + around }
            return [daemon] + around + files(in: try Board.state(config: place.globals.config?.text))
        }
    }

    private func asked(_ daemon: DaemonBackend) throws -> [Check] {
        do {
            let result = try Progress.during("looking, and trying the brokers", quiet: place.globals.json) {
                try daemon.call("doctor", fix ? ["fix": true] : [:])
            }
            return result.list("checks").compactMap(Check.init)
        } catch let error as RPCError where error.exit == .notPermitted {
            return [
                Check(
                    "daemon", .fail, "the daemon runs, but does not serve this user: \(error.message)",
                    hint: "in culver.conf: [access] \(fix ? "admin" : "reader") = \(Board.user)")
            ]
        }
    }

    private func files(in path: String) -> [Check] {
        guard access(path, F_OK) == 0 || errno != ENOENT else {
            return [
                Check("state", .fail, "there is no \(path)", hint: "systemctl start culver makes it; else --state DIR")
            ]
        }
        let isInUse = StateDirectory.isLocked(path) ?? true
        let isClockSet = KernelClock.realtime.now >= Release.built
        let state = StateDiagnosis(
            of: path, mends: fix, isInUse: isInUse, time: isClockSet ? KernelClock.realtime.now : nil)
        return [BoardChecks.clock(isSet: isClockSet)] + state.checks()
    }

    private static func show(_ checks: [Check]) {
        let width = checks.map(\.name.count).max() ?? 0
        for check in checks {
            let name = check.name + String(repeating: " ", count: width - check.name.count)
            Screen.line("\(check.result == .ok ? "ok  " : check.result.rawValue)  \(name)  \(check.text)")
            if let hint = check.hint { Screen.line("hint: \(hint)") }
        }
    }
}
