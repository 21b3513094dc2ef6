import Glibc
import TestSupport
import Testing

@testable import Transport

@Suite("How to reach a broker")
struct BrokerOptionsTests {
    private let directory: TemporaryDirectory
    private var options: BrokerOptions

    init() throws {
        directory = try TemporaryDirectory()
        options = try BrokerOptions("mqtts://broker", "a")
    }

    @Test("neither user nor files show in a description")
    func secret() throws {
        var options = options
        options.username = "alice"
        options.passwordFile = "/secret"
        var dumped = ""
        dump(options, to: &dumped)
        for text in ["\(options)", String(reflecting: options), dumped] {
            #expect(!text.contains("alice") && !text.contains("/secret"))
            #expect(text.contains("mqtts://broker:8883"))
        }
    }

    @Test("the password is the first line, as it is in the file when it is asked for")
    func password() throws {
        var options = options
        #expect(try options.readPassword() == nil)
        options.passwordFile = directory.file("word")
        for (text, word) in [("old\n", "old"), ("new word", "new word"), ("ä\r\nmore\n", "ä")] {
            try directory.write("word", text)
            #expect(try options.readPassword() == Array(word.utf8))
        }
    }

    @Test(
        "a file that cannot be used is named, with what is wrong with it",
        arguments: [
            ("password_file", nil, "no such file or directory"), ("password_file", "", "its first line is empty"),
            ("password_file", "\nword\n", "its first line is empty"),
            ("password_file", String(repeating: "x", count: 5000), "file too large"),
            ("ca_file", nil, "no such file or directory"), ("ca_file", "", "there is no certificate in it"),
            ("cert_file", "-----BEGIN PRIVATE KEY-----", "there is no certificate in it"),
            ("key_file", "-----BEGIN CERTIFICATE-----", "there is no private key in it"),
            ("key_file", "-----BEGIN ENCRYPTED PRIVATE KEY-----", "the key in it is encrypted"),
            ("key_file", "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n", "the key in it is encrypted"),
        ])
    func unusable(_ key: String, _ text: String?, _ words: String) throws {
        let path = directory.file("file")
        if let text { try directory.write("file", text) }
        let fault = try #require(throws: BrokerFileFault.self) { try naming(path, by: key).fileContents() }
        #expect((fault.key, fault.path) == (key, path))
        #expect(fault.description.contains(path) && fault.description.contains(": \(words)"), "\(fault)")
    }

    @Test("a file of more than 4 GiB is too large, whatever the lower 32 bits of its length are")
    func huge() throws {
        try directory.write("file", "word\n")
        #expect(truncate(directory.file("file"), 4_294_967_301) == 0)
        for key in ["password_file", "ca_file", "cert_file", "key_file"] {
            let fault = #expect(throws: BrokerFileFault.self) {
                try naming(directory.file("file"), by: key).fileContents()
            }
            #expect(fault?.description.hasSuffix(": file too large") == true)
        }
    }

    @Test("so are a directory, and a credential that nobody handed over")
    func noFile() throws {
        for key in ["password_file", "ca_file", "cert_file", "key_file"] {
            let directory = #expect(throws: BrokerFileFault.self) { try naming("/etc", by: key).fileContents() }
            #expect(directory?.description.hasSuffix("/etc: is a directory") == true)
            let credential = #expect(throws: BrokerFileFault.self) { try naming("word", by: key).fileContents() }
            #expect(credential?.description == "cannot read \(key): nobody handed us a credential word")
        }
    }

    private func naming(_ path: String, by key: String) -> BrokerOptions {
        var options = options
        switch key {
        case "password_file": options.passwordFile = path
        case "ca_file": options.caFile = path
        case "cert_file": options.certFile = path
        default: options.keyFile = path
        }
        return options
    }
}
