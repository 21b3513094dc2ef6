import ArgumentParser
import Control
import Crypto
import Format
import Selftest
import Store

/// `selftest`: needs neither daemon nor files.
struct SelftestVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "selftest",
        abstract: "Try this program on this machine: recorded messages of other software, keys, randomness.",
        discussion: """
            Compares what DIMP software from 2019 to today wrote with what this program reads and writes, makes keys and \
            random numbers, and names the libraries that it runs with. Needs no daemon and no files. Status 0: all is \
            well. 74: something is not, and what stands on standard error.
            """)

    @OptionGroup var globals: Globals

    func run() throws {
        let (tallies, faults) = try Progress.during("trying", quiet: globals.json) {
            (
                try VectorKind.allCases.map { $0.judge(try Embedded.cases(of: $0)) },
                MachineCheck.allCases.map { ($0, $0.fault()) }
            )
        }
        if globals.json {
            Screen.line(SelftestVerb.json(tallies, faults))
        } else {
            show(tallies, faults)
        }
        guard tallies.allSatisfy(\.isGood), faults.allSatisfy({ $0.1 == nil }) else {
            throw Quiet(exit: Control.ExitCode.io.rawValue)
        }
    }

    private func show(_ tallies: [Tally], _ faults: [(check: MachineCheck, fault: String?)]) {
        Screen.line(
            "culver \(Release.version) with " + SelftestVerb.libraries.map { "\($0) \($1)" }.joined(separator: ", "))
        for tally in tallies {
            Screen.line("\(tally)")
            for words in tally.disagreed { Screen.complain("\(tally.kind.rawValue) \(words)") }
        }
        for (check, fault) in faults {
            if let fault { Screen.complain(fault) } else { Screen.line("machine: \(check.words)") }
        }
    }

    private static func json(_ tallies: [Tally], _ faults: [(check: MachineCheck, fault: String?)]) -> JSON {
        var vectors = JSONObject()
        for tally in tallies {
            vectors[tally.kind.rawValue] = [
                "agreed": .integer(Int64(tally.agreed)), "disagreed": .array(tally.disagreed.map { .string($0) }),
                "skipped": .integer(Int64(tally.skipped)),
            ]
        }
        var machine = JSONObject()
        for (check, fault) in faults { machine[check.rawValue] = .string(fault ?? "ok") }
        var libraries = JSONObject()
        for (name, version) in SelftestVerb.libraries { libraries[name] = .string(version) }
        return [
            "version": .string(Release.version), "vectors": .object(vectors), "machine": .object(machine),
            "libraries": .object(libraries),
        ]
    }

    private static var libraries: [(name: String, version: String)] {
        [("mbedTLS", MbedTLS.version), ("SQLite", SQLite.version), ("jansson", Jansson.version)]
    }
}
