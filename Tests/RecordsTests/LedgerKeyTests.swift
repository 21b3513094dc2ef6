import DIMP
import Records
import TestSupport
import Testing

@Suite struct LedgerKeyTests {
    static let (moki, hulk, crew) = (Address.sample("moki"), Address.sample("hulk"), Address.sample("crew"))

    static let keys: [(LedgerKey, String)] = [
        (.lived, "lived"), (.wall, "wall"), (.boot, "boot"), (.boottime, "boottime"), (.place, "place"),
        (.presenceBoot, "presence boot"), (.presenceAt, "presence at"), (.tidied, "tidied"),
        (.forgottenUntil, "forgotten until"),
        (.quickEnds(broker: "home"), "unsteady home"), (.quickEnds(broker: "the attic"), "unsteady the attic"),
        (.clientIDs(broker: "home"), "client home"), (.knowledge(broker: "the attic"), "broker the attic"),
        (.tried("0abc"), "tried 0abc"), (.stream(moki), "stream \(moki)"), (.removed(moki), "gone \(moki)"),
        (.sequence(from: moki, to: hulk, priority: .normal), "sequence \(moki) \(hulk)"),
        (.sequence(from: moki, to: .anywhere, priority: .normal), "sequence \(moki) anywhere"),
        (.sequence(from: moki, to: hulk, priority: .bulk), "sequence \(moki) \(hulk) bulk"),
        (.window(owner: moki, sender: hulk, target: crew), "window \(moki) \(hulk) \(crew)"),
        (.file("0123456789abcdefghij"), "file 0123456789abcdefghij"), (.filesDelivered, "delivered files"),
        (.bridge("zigbee"), "bridge zigbee"),
        (.pipeStreams, "pipe streams"),
        (.clearing(moki, broker: "home"), "clear \(moki) home"),
        (.clearing(moki, broker: "the attic"), "clear \(moki) the attic"),
        (.clearing(moki, broker: "\(hulk)"), "clear \(moki) \(hulk)"),
    ]

    @Test("each name has the text that files have had from the beginning, and is read back from it", arguments: keys)
    func text(key: LedgerKey, text: String) {
        #expect(key.text == text)
        #expect(LedgerKey(text) == key)
    }

    @Test(
        "a text that is no name of this version is none",
        arguments: [
            "", " ", "lived ", "lived 5", " lived", "Lived", "presence", "presence ", "presence x", "presence boot x",
            "unsteady", "tried", "stream", "stream ", "stream x", "stream \(moki) ", "stream \(moki) \(hulk)",
            "sequence \(moki)", "sequence \(moki) x", "sequence \(moki) \(hulk) \(crew)", "window \(moki) \(hulk)",
            "window \(moki) \(hulk) x", "clear", "clear \(moki)", "clear x home", "gone", "gone x", "gone \(moki) x",
            "group \(moki)", "stream ANYWHERE", "pipe", "pipe stream",
        ])
    func unknown(text: String) {
        #expect(LedgerKey(text) == nil)
    }

    @Test(
        "a family is the names that begin with its prefix, and no others",
        arguments: [
            (LedgerKey.Family.streams, ["stream"]), (.sequences(from: moki), ["sequence"]),
            (.sequences(from: hulk), []), (.windows, ["window"]), (.windowsOf(owner: moki), ["window"]),
            (.windowsOf(owner: hulk), []), (.clearings, ["clear"]), (.clearingsOf(moki), ["clear"]),
            (.clearingsOf(hulk), []), (.removed, ["gone"]), (.files, ["file"]),
        ])
    func family(family: LedgerKey.Family, words: [String]) {
        for (key, text) in Self.keys {
            let isMember = words.contains { text.hasPrefix("\($0) ") }
            #expect(key.text.hasPrefix(family.prefix) == isMember, "\(text)")
        }
    }
}
