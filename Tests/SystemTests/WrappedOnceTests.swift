import Foundation
import Testing

@Suite("System calls that are wrapped once")
struct WrappedOnceTests {
    @Test(
        "no other module has a wrapper of its own",
        arguments: ["clock_gettime(", " strerror(", "(strerror(", "= statvfs()", "asyncAfter("])
    func once(_ call: String) throws {
        let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let sources = package.appendingPathComponent("Sources")
        let files = try #require(FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil))
        var found: [String] = []
        var count = 0
        for case let file as URL in files where file.pathExtension == "swift" {
            count += 1
            guard try String(contentsOf: file, encoding: .utf8).contains(call) else { continue }
            found.append(file.deletingLastPathComponent().lastPathComponent)
        }
        #expect(count > 100)
        #expect(found.allSatisfy { $0 == "System" }, "\(call) stands in \(found)")
    }
}
