import Crypto
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

    /// Says whether the file was moved aside.
    @discardableResult
    private func write(of store: MessageStore? = nil) throws -> Bool {
        try (store ?? self.store).write(to: AuditFile(in: directory))
    }

    private func fault(of store: MessageStore? = nil) throws -> String? {
        AuditFile.check(in: directory, against: try (store ?? self.store).auditMarks(in: directory)).fault
    }

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
        let (lines, fault) = AuditFile.check(in: directory, against: try store.auditMarks(in: directory))
        #expect(lines == 6 && fault == nil)
    }

    @Test("a line that was altered, taken out, put in or cut off is found")
    func broken() throws {
        try add(5)
        try write()
        #expect(try fault() == nil)
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        let changes: [((inout [String]) -> Void, String)] = [
            ({ $0[2] = $0[2].replacingOccurrences(of: "begun", with: "ended") }, "line 3 was altered"),
            ({ $0.remove(at: 2) }, "line 4 does not follow line 2"),
            ({ $0.insert($0[1], at: 2) }, "line 2 does not follow line 2"),
            ({ $0.removeLast(2) }, "lines 4 to 5 are missing at its end"),
            ({ $0 = [] }, "its 5 lines are gone"),
            ({ $0.removeFirst(2) }, "lines 1 to 2 are missing at its beginning"),
            ({ $0 = AuditTests.forged(5) }, "its first line was altered"),
            ({ $0[4] = AuditTests.line(after: $0[3]) }, "its last line was altered"),
            (
                { $0.append(AuditTests.line(after: $0[4])) },
                "it has 6 lines, and 5 were written down: they are of others"
            ),
        ]
        for (body, words) in changes {
            try change(body)
            #expect(try fault() == words)
            try whole.write(to: URL(fileURLWithPath: path))
        }
    }

    @Test("a file that goes on from other lines than the database has is moved aside, and none is lost")
    func replaced() throws {
        try add(5)
        try write()
        // The database was replaced: behind the file at first, then as long, but with other lines.
        for (number, count) in [3, 5].enumerated() {
            let other = try MessageStore(path: "\(directory)/other\(number).sqlite")
            for _ in 0..<count {
                try other.apply(
                    .audit(AuditLine(["what": "other", "of": .integer(Int64(number))], after: other.lastAudit())))
            }
            try other.commit()
            #expect(try fault(of: other) != nil)
            #expect(try write(of: other))
            #expect(try AuditFile.check(in: directory, against: other.auditMarks(in: directory)) == (count, nil))
            #expect(try !write(of: other))
        }
        let aside = try String(contentsOfFile: path + ".bad", encoding: .utf8)
        #expect(aside.split(separator: "\n").count == 5)
    }

    @Test("the front of the files is known through every change of files, and one that is cut off shows")
    func front() throws {
        var oldest: Set<Int64> = []
        for _ in 0..<40 {
            try add(1)
            _ = try store.write(to: AuditFile(in: directory, limit: 2_000))
            #expect(try fault() == nil)
            oldest.insert(try #require(AuditFile(in: directory).oldestLine()).number)
        }
        // Files were replaced three times at least.
        #expect(oldest.count > 2)
        try FileManager.default.removeItem(atPath: path + ".1")
        #expect(try fault()?.contains("are missing at its beginning") == true)
    }

    @Test("a database that came back without its files begins them with the oldest line that it has")
    func restored() throws {
        for _ in 0..<2 {
            try add(700)
            try write()
        }
        try FileManager.default.removeItem(atPath: path)
        try store.apply(.value(.auditFront, nil))
        try add(1)
        try write()
        #expect(try AuditFile.check(in: directory, against: store.auditMarks(in: directory)) == (1_000, nil))
    }

    @Test(
        "a number that JSON does not have exactly is none of a line",
        arguments: [0, -1, (1 << 53) + 1, .max] as [Int64])
    func numbers(number: Int64) {
        let json = "{\"n\":\(number),\"prev\":\"\(AuditLine.beginning)\"}"
        #expect(AuditLine("\(Hex.encode(Digest.sha256(Array(json.utf8)))) \(json)") == nil)
        let good = "{\"n\":1,\"prev\":\"\(AuditLine.beginning)\"}"
        #expect(AuditLine("\(Hex.encode(Digest.sha256(Array(good.utf8)))) \(good)")?.number == 1)
    }

    private static func line(after text: String) -> String {
        AuditLine(["what": "forged"], after: AuditLine(text)).text
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
