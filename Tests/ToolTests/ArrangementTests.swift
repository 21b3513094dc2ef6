import Testing

@testable import culver

struct ArrangementTests {
    @Test(
        "shared options stand before, between and after the verbs",
        arguments: [
            ["--json", "id", "list"], ["id", "--json", "list"], ["id", "list", "--json"],
        ])
    func places(_ arguments: [String]) throws {
        let list = try #require(try Culver.parseAsRoot(ArgumentOrder.arranged(arguments)) as? Identities.List)
        #expect(list.place.globals.json)
    }

    @Test("an option with a value is moved with it", arguments: [["--socket", "/s"], ["--socket=/s"]])
    func values(_ option: [String]) throws {
        let status = try #require(try Culver.parseAsRoot(ArgumentOrder.arranged(option + ["status"])) as? Status)
        #expect(status.globals.socket == TextArgument("/s"))
    }

    @Test("nothing is the status, with options or without", arguments: [[], ["--json"], ["--socket", "status"]])
    func nothing(_ arguments: [String]) throws {
        #expect(try Culver.parseAsRoot(ArgumentOrder.arranged(arguments)) is Status)
    }

    @Test(
        "a word that is no verb is named, with the one that may be meant",
        arguments: [
            (["sned", "hub"], "there is no verb 'sned'", "did you mean send?"),
            (["--json", "id", "lst"], "there is no verb 'lst' below id", "did you mean list?"),
            (["--socket", "send", "id", "xyz"], "there is no verb 'xyz' below id", "there are: default, "),
            ([""], "there is no verb ''", "there are: "),
        ])
    func stray(_ arguments: [String], _ message: String, _ hint: String) throws {
        let failure = try #require(ArgumentOrder.stray(arguments))
        #expect(failure.exit == 64 && failure.error.message == message)
        #expect(failure.error.hint?.hasPrefix(hint) == true)
    }

    @Test(
        "what is a verb, an option or none at all is not strayed",
        arguments: [
            [], ["send", "sned"], ["--json"], ["id"], ["id", "list"], ["help", "send"], ["id", "help", "new"],
            ["--socket"], ["-x"], ["id", "--help"], ["---completion", "send"],
        ])
    func straight(_ arguments: [String]) {
        #expect(ArgumentOrder.stray(arguments) == nil)
    }

    @Test("a group of verbs alone shows its help, whatever options stand there")
    func group() {
        #expect(ArgumentOrder.arranged(["--socket", "/s", "contact", "--json"]) == ["contact"])
    }

    @Test("what looks like a verb or an option behind the verb is left where it is")
    func rest() {
        #expect(ArgumentOrder.arranged(["send", "status", "--", "--json"]) == ["send", "status", "--", "--json"])
        #expect(ArgumentOrder.arranged(["--json", "send", "id", "list"]) == ["send", "--json", "id", "list"])
    }

    @Test(
        "a dash with a digit or a point is text", arguments: ["-5.2", "-.5", "-0", "-7 degrees", "-1e3", "plain", ""])
    func negative(_ text: String) throws {
        let send = try #require(try Culver.parseAsRoot(ArgumentOrder.arranged(["send", "hub", text])) as? Send)
        #expect(send.text == TextArgument(text))
        let pack = try Culver.parseAsRoot(ArgumentOrder.arranged(["pack", "--from", "a", "--to", "b", "--text", text]))
        #expect((pack as? Pack)?.text == TextArgument(text))
    }

    @Test(
        "behind two dashes everything is text",
        arguments: ["-x", "--json", "-5", "--", "-", "-hot", "-h", "--help", "--help=x"])
    func terminator(_ text: String) throws {
        let send = try #require(try Culver.parseAsRoot(ArgumentOrder.arranged(["send", "hub", "--", text])) as? Send)
        #expect(send.text == TextArgument(text))
        #expect(!send.globals.json)
        #expect(ArgumentOrder.noOption(["send", "hub", "--", text]) == nil)
    }

    @Test(
        "one dash and a letter are no option here, but for -h",
        arguments: [
            ("-hot", false), ("-cold", false), ("-help", false), ("--help=x", false), ("--version=1", false),
            ("-ü", false), ("- a list", false), ("-h", true), ("--help", true), ("-", true), ("-5", true), ("", true),
            ("---completion", true), ("--jsn", true),
        ])
    func oneDash(_ word: String, _ isGood: Bool) {
        #expect((ArgumentOrder.noOption(["send", "hub", word]) == nil) == isGood)
        #expect(ArgumentOrder.noOption([word])?.exit == (isGood ? nil : 64))
    }

    @Test("the mark in a text of its own survives")
    func ownMark() throws {
        let text = TextArgument.marked("-5")
        let send = try #require(try Culver.parseAsRoot(ArgumentOrder.arranged(["send", "hub", text])) as? Send)
        #expect(send.text == TextArgument(text))
    }

    @Test("a dash with a letter is an option, so an unknown one is refused")
    func unknownOption() {
        #expect(throws: (any Error).self) {
            try Culver.parseAsRoot(ArgumentOrder.arranged(["send", "hub", "hi", "-x"]))
        }
    }
}
