import Foundation
import Testing

@testable import Store

/// A flat file at any fault has its old or its new content, in whole; when the write said that it is done, the new.
@Suite struct FileFaultTests {
    let scratch: Scratch
    let old = [UInt8](repeating: 1, count: 5_000)
    let new = [UInt8](repeating: 2, count: 7_000)

    init() throws {
        scratch = try Scratch()
    }

    static let names = ["contacts/4WDf/meta.json", "install.json", "keys/4WDf/4Abc.json"]

    /// A directory with one of the files in it.
    func fresh(_ number: Int) throws -> StateDirectory {
        let state = try StateDirectory(scratch.directory + "/state-\(number)")
        try state.write(old, to: Self.names[0])
        return state
    }

    /// What the turn of a loop may do: a new version, new files in new directories, a removal of a file and of a tree.
    let changes: [FileChange] = [
        .write([UInt8](repeating: 2, count: 7_000), to: names[0], mode: 0o644),
        .write([UInt8](repeating: 2, count: 7_000), to: names[1], mode: 0o600),
        .write([UInt8](repeating: 2, count: 7_000), to: names[2], mode: 0o600),
        .remove(names[1]),
        .removeAll("contacts/4WDf"),
    ]

    /// What may be found under each name after so many changes are done.
    func states(_ done: Int) -> [[UInt8]?] {
        switch done {
        case 0: [old, nil, nil]
        case 1: [new, nil, nil]
        case 2: [new, new, nil]
        case 3: [new, new, new]
        case 4: [new, nil, new]
        default: [nil, nil, new]
        }
    }

    func contents(_ state: StateDirectory) throws -> [[UInt8]?] {
        try Self.names.map { try state.read($0) }
    }

    func calls() throws -> Int {
        let state = try fresh(0)
        let faults = FileFaults()
        try faults.watch { for change in changes { try state.perform(change) } }
        return faults.count
    }

    @Test(
        "a call that fails leaves the old file in whole and nothing beside it, and the next try succeeds",
        arguments: [FileFaults.Fault.full, .short, .error])
    func passing(fault: FileFaults.Fault) throws {
        let calls = try calls()
        #expect(calls > 25)
        for nth in 1...calls {
            let what: Comment = "\(fault) at call \(nth)"
            let state = try fresh(nth)
            let faults = FileFaults(fault, nth: nth)
            for (index, change) in changes.enumerated() {
                do throws(FileError) {
                    try faults.watch { () throws(FileError) in try state.perform(change) }
                } catch {
                    #expect(error.isFull == (fault != .error), what)
                    let found = try contents(state)
                    #expect(found == states(index) || found == states(index + 1), what)
                    try state.perform(change)
                }
                #expect(try contents(state) == states(index + 1), what)
            }
            #expect(faults.hasStruck, what)
            #expect(try leftovers(state) == 0, what)
        }
    }

    @Test("a power cut at any call leaves the old or the new file in whole, and what it left over is swept")
    func cut() throws {
        var swept = 0
        for nth in 1...(try calls()) {
            let what: Comment = "power cut at call \(nth)"
            let state = try fresh(nth)
            let faults = FileFaults(.cut, nth: nth)
            var done = 0
            for change in changes {
                guard (try? faults.watch { try state.perform(change) }) != nil else { break }
                done += 1
            }
            try faults.settle()
            let again = try StateDirectory(state.path)
            let found = try contents(again)
            #expect(found == states(done) || found == states(min(done + 1, 5)), what)
            swept += try again.sweep()
            for address in try again.list(StatePath.contacts) { try again.sweep(contact: address) }
            #expect(try leftovers(again) == 0, what)
        }
        #expect(swept > 0, "no cut came between the making of a file and its renaming")
    }

    private func leftovers(_ state: StateDirectory) throws -> Int {
        let all = try #require(FileManager.default.enumerator(atPath: state.path))
        return all.filter { ($0 as? String)?.hasSuffix(".tmp") == true }.count
    }
}
