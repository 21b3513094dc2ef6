import Testing

@testable import culverd

@Suite struct OptionsTests {
    @Test("every option is taken, its value behind it or behind =")
    func taken() throws {
        var expected = Options()
        #expect(try Options([]) == expected)
        (expected.config, expected.state, expected.socket) = ("/c", "s=1", "-")
        (expected.isUser, expected.isCheck, expected.isVersion, expected.isHelp) = (true, true, true, true)
        let arguments = ["--config", "/c", "--state=s=1", "--socket", "-", "--user", "--check", "--version", "--help"]
        #expect(try Options(arguments) == expected)
    }

    @Test(
        "what is no option is refused by name",
        arguments: [
            (["--verbose"], "there is no option \"--verbose\""), (["file"], "there is no option \"file\""),
            (["--state"], "--state needs a value"), (["--state="], "--state needs a value"),
            (["--user=yes"], "--user takes no value"), (["--state", "a", "--state", "b"], "--state is given twice"),
            ([""], "there is no option an empty value"),
        ])
    func refused(arguments: [String], words: String) {
        #expect(throws: InvalidValue(words)) { try Options(arguments) }
    }
}
