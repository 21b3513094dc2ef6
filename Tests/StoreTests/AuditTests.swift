import Format
import Foundation
import Records
import Testing

@testable import Store

@Suite struct AuditTests {
    let scratch: Scratch
    let store: MessageStore

    init() throws {
        scratch = try Scratch()
        store = try scratch.open()
    }

    private var directory: String { scratch.directory }
    private var path: String { "\(directory)/calls.audit" }

    private func add(_ count: Int) throws {
        for number in 0..<count {
            try store.apply(
                .audit(AuditLine(["what": "begun", "i": .integer(Int64(number))], after: store.lastAudit())))
        }
        try store.commit()
    }

    private func write() throws { try store.write(to: AuditFile(in: directory)) }

    private func change(_ body: (inout [String]) -> Void) throws {
        var lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map(String.init)
        body(&lines)
        try lines.map { $0 + "\n" }.joined().write(toFile: path, atomically: true, encoding: .utf8)
    }

    @Test("every line is in the file once, whatever was cut off, and the chain is whole")
    func once() throws {
        try add(3)
        try write()
        try add(2)
        // A power cut in the middle of a line.
        try write()
        let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        try bytes.dropLast(20).write(to: URL(fileURLWithPath: path))
        try add(1)
        try write()
        let (lines, fault) = AuditFile.check(in: directory, newest: try store.lastAudit())
        #expect(lines == 6 && fault == nil)
    }

    @Test("a line that was altered, taken out, put in or cut off is found")
    func broken() throws {
        try add(5)
        try write()
        let newest = try store.lastAudit()
        func fault() -> String? { AuditFile.check(in: directory, newest: newest).fault }
        #expect(fault() == nil)
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        let changes: [((inout [String]) -> Void, String)] = [
            ({ $0[2] = $0[2].replacingOccurrences(of: "begun", with: "ended") }, "line 3 was altered"),
            ({ $0.remove(at: 2) }, "line 4 does not follow line 2"),
            ({ $0.insert($0[1], at: 2) }, "line 2 does not follow line 2"),
            ({ $0.removeLast(2) }, "lines 4 to 5 are missing at its end"),
            ({ $0 = [] }, "its 5 lines are gone"),
            ({ $0 = AuditTests.forged(5) }, "its last line was altered"),
        ]
        for (body, words) in changes {
            try change(body)
            #expect(fault() == words)
            try whole.write(to: URL(fileURLWithPath: path))
        }
    }

    private static func forged(_ count: Int) -> [String] {
        var last: AuditLine?
        return (0..<count).map { _ in
            let line = AuditLine(["what": "nothing"], after: last)
            last = line
            return line.text
        }
    }
}
