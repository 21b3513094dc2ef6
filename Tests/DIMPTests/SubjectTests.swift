import Format
import Testing

@testable import DIMP

/// The examples of MQTT 5.0, section 4.7, where they say something of subjects too.
@Suite struct SubjectTests {
    @Test(
        "a filter takes the subjects that MQTT's wildcards mean",
        arguments: [
            ("sport/tennis/player1/#", "sport/tennis/player1", true),
            ("sport/tennis/player1/#", "sport/tennis/player1/ranking", true),
            ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
            ("sport/#", "sport", true), ("#", "sport", true), ("#", "/", true), ("#", "$SYS/monitor", true),
            ("sport/tennis/+", "sport/tennis/player1", true),
            ("sport/tennis/+", "sport/tennis/player1/ranking", false), ("sport/+", "sport", false),
            ("sport/+", "sport/", true), ("+/+", "/finance", true), ("/+", "/finance", true), ("+", "/finance", false),
            ("+/tennis/#", "sport/tennis", true), ("garden/soil", "garden/soil", true),
            ("garden/soil", "garden/soil/deep", false), ("garden/soil/deep", "garden/soil", false),
            ("Garden", "garden", false), ("é", "e\u{301}", false),
        ])
    func takes(filter: String, subject: String, isTaken: Bool) throws {
        #expect(try #require(SubjectFilter(filter)).takes(subject) == isTaken)
    }

    @Test(
        "a wildcard stands for whole levels, and # for the last",
        arguments: ["a+", "+a/b", "a/#/b", "a#", "##", "", "a\0"])
    func wrongFilters(text: String) {
        #expect(SubjectFilter(text) == nil)
    }

    @Test("what has no subject is taken by no filter")
    func none() throws {
        #expect(try !#require(SubjectFilter("#")).takes(nil))
    }

    @Test("a subject has 1 to 256 bytes and none of the wildcards")
    func subjects() {
        for good in ["a", "/", "garden/soil", String(repeating: "é", count: 128)] { #expect(Subject.isGood(good)) }
        for bad in ["", "a/+", "#", "a\0b", String(repeating: "é", count: 128) + "a"] { #expect(!Subject.isGood(bad)) }
    }

    @Test("a bad subject of a peer is none, and the content stays what it is")
    func ofPeers() {
        var content: JSONObject = ["type": 1, "subject": "a/b"]
        #expect(content.subject == "a/b")
        for bad in ["a/+", 7, "", ["a"], .null] as [JSON] {
            content["subject"] = bad
            #expect(content.subject == nil)
        }
    }

    @Test("the subject of data is its act, and its data are read back")
    func data() {
        let data: JSONObject = [
            "type": 204, "app": "culver", "mod": "data", "act": "a/b", "data": [1, 2], "text": "[1,2]",
        ]
        #expect(data.subject == "a/b" && data.culverData == [1, 2])
        var other = data
        other["app"] = "garden"
        #expect(other.subject == nil && other.culverData == nil)
        other = data
        other["act"] = ""
        #expect(other.subject == nil && other.culverData == [1, 2])
    }
}
