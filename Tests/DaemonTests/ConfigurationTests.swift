import Agent
import Foundation
import Testing

@testable import culverd

/// A directory for configuration files, which goes with the value.
private final class Directory {
    let path = NSTemporaryDirectory() + "configuration-\(UUID().uuidString)"

    init() throws {
        try FileManager.default.createDirectory(atPath: path + "/culver.conf.d", withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    var main: String { path + "/culver.conf" }

    func write(_ text: String, to name: String = "culver.conf") throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
    }

    func load(
        _ environment: [String: String] = [:], _ change: (inout Options) -> Void = { _ in }
    ) throws -> Configuration {
        var options = Options()
        options.config = main
        change(&options)
        return try Configuration.load(options, environment: environment)
    }
}

@Suite struct ConfigurationTests {
    private let directory: Directory

    init() throws {
        directory = try Directory()
    }

    func parsed(_ text: String) throws -> Configuration {
        try directory.write(text)
        return try directory.load()
    }

    /// The problems without the file's name.
    func problems(_ text: String, _ environment: [String: String] = [:]) throws -> [String] {
        try directory.write(text)
        do {
            _ = try directory.load(environment)
            return []
        } catch let error as ConfigurationErrors {
            return error.problems.map { $0.description.replacingOccurrences(of: directory.main, with: "F") }
        }
    }

    @Test("the file that we ship says exactly the defaults, and names every key")
    func shipped() throws {
        let top = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../..")
        let bytes = try Data(contentsOf: top.appendingPathComponent("config/culver.conf"))
        var builder = ConfigurationBuilder(Configuration())
        builder.add([UInt8](bytes), name: "culver.conf")
        #expect(try builder.finished() == Configuration())
        let entries = INIFile([UInt8](bytes), name: "").entries
        for section in SectionName.unnamed {
            // What does not exist yet is not asked for.
            let keys = section.keys.filter { $0 != "rotate" }
            #expect(entries.filter { $0.section == section.text }.map(\.key) == keys)
        }
    }

    @Test("an empty file is the defaults of the design")
    func defaults() throws {
        let configuration = try parsed("")
        #expect(configuration == Configuration())
        #expect(configuration.agent.state == "/var/lib/culver")
        #expect(configuration.agent.socket == "/run/culver/culver.sock")
        #expect(configuration.agent.strangers == .ask)
        #expect(configuration.agent.log == .info)
        #expect(configuration.identity.name == "{hostname}")
        #expect(configuration.brokers.map(\.url) == ["mqtt://127.0.0.1:1883"])
        #expect(configuration.brokers.map(\.topicRoot) == ["dim/v1"])
        #expect(configuration.brokers.map(\.keepAlive) == [60])
        #expect(configuration.delivery.receiptTimeout == 10)
        #expect(configuration.delivery.expiry == 604_800)
        #expect(configuration.delivery.keep == 2_592_000)
        #expect(configuration.access.sender == [Grant(to: .group("culver"))])
        #expect(configuration.keys.rotate == nil)
        #expect(configuration.keys.protect == .none)
        #expect(configuration.missing == nil)
        #expect(configuration.unserved.isEmpty)
        #expect(configuration.limits.message == 1_048_576)
    }

    @Test("the parts are told the defaults that they have themselves")
    func parts() throws {
        #expect(Configuration().policy == Policy())
        #expect(Configuration().storeLimits == .init())
        var other = Configuration()
        other.limits.metaQueryInterval = 60
        #expect(other.policy.queryInterval == 60)
        #expect(Configuration().policy.json.depth == 32)
        #expect(Configuration().policy.json.values == 16_384)
    }

    @Test("every key of every section can be set")
    func everything() throws {
        let id = "4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekk"
        let configuration = try parsed(
            """
            [agent]
            state = /s
            socket = /t
            strangers = closed
            log = debug
            metrics_file = /m
            [identity]
            name = gate-{hostname}
            [broker lan]
            url = mqtts://[::1]:9
            topic_root = a/b
            username = {hostname}-{address}
            password_file = mqtt-password
            ca_file = /ca
            cert_file = /cert
            key_file = key
            keep_alive = 2m
            broadcasts = yes
            [broker cloud]
            url = unix:///run/mqtt.sock
            [contact hub]
            id = hub@\(id)
            [delivery]
            receipt_timeout = 5s
            expiry = 14d
            keep = 1d
            [access]
            reader = alice, @staff:gate bob:4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekk
            sender =
            admin = 1000
            [call open-gate]
            allow = phone, hub@\(id)
            exec = /calls/open-gate
            [bridge zigbee]
            broker = mqtts://localhost
            username = culver
            ca_file = /ca
            peer = porch
            out = zigbee2mqtt/#, zigbee2mqtt/lamp homeassistant/+/+/config
            in = zigbee2mqtt/+/set
            prefix = porch/
            keep = all
            retain = never
            [relay]
            for = @all
            [keys]
            rotate = 12h
            protect = credential:culver-key
            [limits]
            message = 2MiB
            events = 100
            """)
        var expected = Configuration()
        expected.agent = AgentSettings(state: "/s", socket: "/t", strangers: .closed, log: .debug, metricsFile: "/m")
        expected.identity.name = "gate-{hostname}"
        expected.brokers = [
            BrokerSettings(
                name: "lan", url: "mqtts://[::1]:9", topicRoot: "a/b", username: "{hostname}-{address}",
                passwordFile: "mqtt-password", caFile: "/ca", certFile: "/cert", keyFile: "key", keepAlive: 120,
                broadcasts: true),
            BrokerSettings(name: "cloud", url: "unix:///run/mqtt.sock"),
        ]
        expected.contacts = [ContactSettings(name: "hub", id: "hub@\(id)")]
        expected.delivery = DeliverySettings(receiptTimeout: 5, expiry: 1_209_600, keep: 86_400)
        expected.access.reader = [
            Grant(to: .user("alice")), Grant(to: .group("staff"), identity: "gate"),
            Grant(to: .user("bob"), identity: id),
        ]
        expected.access.sender = []
        expected.access.admin = [Grant(to: .user("1000"))]
        expected.calls = [CallSettings(name: "open-gate", allow: ["phone", "hub@\(id)"], exec: "/calls/open-gate")]
        var bridge = BridgeSettings(name: "zigbee")
        bridge.local = BrokerSettings(name: "zigbee", url: "mqtts://localhost", username: "culver", caFile: "/ca")
        bridge.peer = "porch"
        // What another filter takes as well a broker would send twice.
        bridge.out = ["zigbee2mqtt/#", "homeassistant/+/+/config"].compactMap(BridgeFilter.init)
        bridge.inward = ["zigbee2mqtt/+/set"].compactMap(BridgeFilter.init)
        (bridge.prefix, bridge.keep, bridge.retain) = ("porch/", .all, .never)
        bridge.hasBroker = true
        expected.bridges = [bridge]
        #expect(configuration.policy.bridges.map(\.peer) == [.name("porch")])
        #expect(configuration.policy.topicRoots == ["dim/v1", "a/b"])
        expected.relay.relaying = .forContacts
        expected.keys = KeySettings(rotate: 43_200, protect: .credential("culver-key"))
        #expect(expected.missing?.hasPrefix("[keys] protect: ") == true)
        #expect(
            expected.unserved.map { $0.prefix { $0 != ":" } } == ["[keys] rotate"],
            "what does not exist yet is told, one line for each")
        expected.limits.message = 2 << 20
        expected.limits.events = 100
        #expect(configuration == expected)
    }

    @Test(
        "a size may have more than 32 bits, and is bounded all the same",
        arguments: [("4GiB", 4_294_967_296), ("1024GiB", 1_099_511_627_776), ("64MiB", 67_108_864)] as [(String, Int64)]
    )
    func wideSizes(text: String, bytes: Int64) throws {
        var limits = LimitSettings()
        for key in ["outbox_size", "inbox_size", "parked_size"] { try limits.set(key, to: text) }
        #expect([limits.outboxSize, limits.inboxSize, limits.parkedSize] == [bytes, bytes, bytes])
        for key in ["outbox_size", "message", "file", "control_line"] {
            #expect(throws: InvalidValue.self) { try limits.set(key, to: "1025GiB") }
            #expect(throws: InvalidValue.self) { try limits.set(key, to: "8589934592GiB") }
        }
        #expect(throws: InvalidValue.self) { try limits.set("events", to: "4294967396") }
        #expect(throws: InvalidValue.self) { try limits.set("parked_age", to: "4294967400s") }
    }

    @Test("each limit has a name of its own")
    func limits() throws {
        for key in LimitSettings.keys {
            var changed = LimitSettings()
            for value in ["7", "9", "300", "1MiB", "2MiB", "2m"] where changed == LimitSettings() {
                try? changed.set(key, to: value)
            }
            #expect(changed != LimitSettings(), "\(key)")
            let names = Mirror(reflecting: changed).children.compactMap(\.label)
            let before = Mirror(reflecting: LimitSettings()).children.map { "\($0.value)" }
            let differing = zip(zip(names, Mirror(reflecting: changed).children.map { "\($0.value)" }), before)
                .filter { $0.0.1 != $0.1 }.map(\.0.0)
            let words = key.split(separator: "_").map(String.init)
            #expect(differing == [words[0] + words.dropFirst().map(\.capitalized).joined()])
        }
    }

    @Test(
        "a bad value is refused with file, line, key and what it should be",
        arguments: [
            ("[agent]\nstate = here", "F:2: state: \"here\" is no absolute path"),
            ("[agent]\nstate =", "F:2: state: an empty value is no absolute path"),
            ("[agent]\n\n# x\nstrangers = maybe", "F:4: strangers: \"maybe\" is none of open, ask, closed"),
            ("[agent]\nlog = Info", "F:2: log: \"Info\" is none of error, warning, info, debug"),
            (
                "[agent]\nsocket = /\(String(repeating: "x", count: 107))",
                "F:2: socket: a socket's path has at most 107 bytes"
            ),
            (
                "[identity]\nname = a b",
                "F:2: name: \"a b\" is no name; a name has 1 to 64 of the characters A-Z a-z 0-9 . _ -"
            ),
            ("[identity]\nname = {address}", "F:2: name: \"{address}\": only {hostname} are filled in"),
            ("[broker]\nusername = {user}", "F:2: username: \"{user}\": only {address} and {hostname} are filled in"),
            (
                "[broker]\npassword_file = a/b",
                "F:2: password_file: \"a/b\" is neither an absolute path nor the name of a credential"
            ),
            (
                "[broker]\nkeep_alive = 60",
                "F:2: keep_alive: \"60\" is no duration; write a number and s, m, h or d, such as 10s or 7d"
            ),
            ("[broker]\nbroadcasts = on", "F:2: broadcasts: \"on\" is neither yes nor no"),
            ("[broker]\nkeep_alive = 1s", "F:2: keep_alive: 1s is out of range: 5s to 65535s"),
            (
                "[broker]\ntopic_root = a/#",
                "F:2: topic_root: \"a/#\" is no topic; write words with / between them, without + and #"
            ),
            (
                "[broker]\ntopic_root = /a",
                "F:2: topic_root: \"/a\" is no topic; write words with / between them, without + and #"
            ),
            ("[delivery]\nexpiry = 15d", "F:2: expiry: 15d is out of range: 1s to 14d"),
            (
                "[delivery]\nexpiry = 99999999999999999999d",
                "F:2: expiry: \"99999999999999999999d\" is no duration; write a number and s, m, h or d, such as 10s or 7d"
            ),
            ("[delivery]\nexpiry = 999999999999999999d", "F:2: expiry: 999999999999999999d is out of range: 1s to 14d"),
            (
                "[delivery]\nkeep = -1d",
                "F:2: keep: \"-1d\" is no duration; write a number and s, m, h or d, such as 10s or 7d"
            ),
            (
                "[limits]\nmessage = 1000",
                "F:2: message: \"1000\" is no size; write a number and B, KiB, MiB or GiB, such as 1MiB"
            ),
            ("[limits]\nmessage = 1GiB", "F:2: message: 1GiB is out of range: 4KiB to 4MiB"),
            ("[limits]\nclients = many", "F:2: clients: \"many\" is no number"),
            ("[limits]\nclients = 0", "F:2: clients: 0 is out of range: 1 to 1000"),
            ("[limits]\nclients = +5", "F:2: clients: \"+5\" is no number"),
            ("[access]\nadmin = @", "F:2: admin: \"@\" is no user or @group"),
            (
                "[keys]\nprotect = password",
                "F:2: protect: \"password\" is none of none, credential:NAME, file:PATH, passphrase"
            ),
            ("[keys]\nprotect = file:x", "F:2: protect: \"x\" is no absolute path"),
            ("[relay]\nfor = @all x@y", "F:2: for: \"@all\" is no ID: its address has an error"),
            ("[contact a]\nid = x@y", "F:2: id: \"x@y\" is no ID: its address has an error"),
            (
                "[bridge a]\nbroker = http://x",
                "F:2: broker: http:// is no way to a broker; use mqtt://, mqtts:// or unix://"
            ),
            (
                "[bridge a]\nout = a/#, b/#/c",
                "F:2: out: \"b/#/c\" is no filter; write topics in which + stands for one level and # at the end for all "
                    + "that follow"
            ),
            (
                "[bridge a]\nprefix = a/+/",
                "F:2: prefix: \"a/+/\" begins no topic; write words with / behind them, without + and #"
            ),
            ("[bridge a]\nkeep = none", "F:2: keep: \"none\" is none of latest, all"),
            ("[bridge a]\nretain = no", "F:2: retain: \"no\" is none of as-is, never"),
        ])
    func refused(text: String, words: String) throws {
        // What a bridge lacks besides is told as well.
        #expect(try problems(text).prefix(1) == [words])
    }

    @Test(
        "an unknown or repeated section, key or value is refused with file and line",
        arguments: [
            ("[agents]\nstate = /s", "F:1: [agents]: there is no such section"),
            ("[agent]\n[Identity]", "F:2: [Identity]: there is no such section"),
            ("[agent x]", "F:1: [agent x]: there is no such section"),
            ("[contact]", "F:1: [contact]: a name is missing: [contact NAME]"),
            ("[broker a b]", "F:1: [broker a b]: there is no such section"),
            (
                "[broker a/b]",
                "F:1: [broker a/b]: \"a/b\" is no name; a name has 1 to 64 of the characters A-Z a-z 0-9 . _ -"
            ),
            ("[agent]\nstates = /s", "F:2: states: there is no such key in [agent]"),
            ("[agent]\nState = /s", "F:2: State: there is no such key in [agent]"),
            ("[agent]\n= /s", "F:2: the line is neither [section] nor key = value"),
            ("[agent]\nlog = info\n[identity]\n[agent]\nlog = debug", "F:5: log: is set twice, first in line 2"),
            ("[broker]\nurl = mqtt://a\n[broker default]\nurl = mqtt://b", "F:4: url: is set twice, first in line 2"),
            ("log = info", "F:1: log: stands in no section"),
        ])
    func unknown(text: String, words: String) throws {
        let found = try problems(text)
        // An empty key is an entry to some versions of the parser.
        #expect(found == [words] || (text.contains("\n= ") && found == ["F:2: there is no such key in [agent]"]))
    }

    @Test(
        "a section that lacks what it needs is refused, an empty one too",
        arguments: [
            ("[contact hub]", "F:1: id: is missing: a contact needs its ID ([contact hub])"),
            ("[call a]", "F:1: allow: is missing: name who may call ([call a])"),
            (
                "[call a]\nallow = x\noutput = 1MiB",
                "F:1: output: is more than 96KiB, which takes stream = yes ([call a])"
            ),
            ("[call a]\nallow = x\nargs = [", "F:3: args: is no JSON"),
            ("[call a]\nallow = x\nargs = [{\"pattern\": \"(\"}]", "F:3: args: has a pattern that cannot be read: ("),
            ("[bridge a]", "F:1: broker: is missing: a bridge needs the URL of a local broker ([bridge a])"),
            ("[bridge a]\nbroker = mqtt://x", "F:1: peer: is missing: a bridge needs a contact ([bridge a])"),
            (
                "[bridge a]\nbroker = mqtt://x\npeer = p",
                "F:1: out: is missing, and in as well: nothing would pass ([bridge a])"
            ),
            ("\n[call a]\nexec = /x", "F:2: allow: is missing: name who may call ([call a])"),
            ("[broker]\ncert_file = /c\nurl = mqtts://a", "F:1: cert_file: needs key_file too ([broker])"),
            ("[broker x]\nkey_file = /c\nurl = mqtts://a", "F:1: key_file: needs cert_file too ([broker x])"),
            (
                "[broker x]\nca_file = /c",
                "F:1: ca_file: needs an url that begins with mqtts://, without which nothing is encrypted ([broker x])"
            ),
        ])
    func lacking(text: String, words: String) throws {
        #expect(try problems(text) == [words])
    }

    @Test("there may be eight bridges")
    func bridges() throws {
        let section = { (number: Int) in "[bridge b\(number)]\nbroker = mqtt://x\npeer = p\nin = #\n" }
        #expect(try parsed((1...8).map(section).joined()).bridges.count == 8)
        #expect(
            try problems((1...9).map(section).joined()) == [
                "F:33: broker: is one too many: there may be 8 bridges ([bridge b9])"
            ])
    }

    @Test("two contacts with one ID are refused")
    func twins() throws {
        let id = "4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekk"
        #expect(
            try problems("[contact a]\nid = \(id)\n[contact b]\nid = \(id)") == [
                "F:3: id: is that of [contact a] already ([contact b])"
            ])
    }

    @Test("all problems are told, in every file, not only the first")
    func all() throws {
        try directory.write("[agent]\nlog = no", to: "culver.conf.d/1.conf")
        let found = try problems(
            "[agent]\nlog = nein\njunk\n[x]\n[limits]\nclients = a\nfiles = 1", ["CULVER_AGENT_STATE": "x"])
        #expect(
            found == [
                "F:3: the line is neither [section] nor key = value", "F:4: [x]: there is no such section",
                "F:2: log: \"nein\" is none of error, warning, info, debug", "F:6: clients: \"a\" is no number",
                "F:7: files: there is no such key in [limits]",
                "F.d/1.conf:2: log: \"no\" is none of error, warning, info, debug",
                "environment: CULVER_AGENT_STATE: \"x\" is no absolute path",
            ])
    }

    @Test("files of the directory come in the order of their names and replace single values")
    func directoryOfFiles() throws {
        try directory.write("[broker]\nurl = mqtt://b", to: "culver.conf.d/20.conf")
        try directory.write("[broker]\nurl = mqtt://a\nkeep_alive = 9s", to: "culver.conf.d/10.conf")
        try directory.write("[broker]\nurl = mqtt://c", to: "culver.conf.d/30.conf.off")
        try directory.write("[broker]\nurl = mqtt://d", to: "culver.conf.d/.hidden.conf")
        let configuration = try parsed("[broker]\nurl = mqtt://main\ntopic_root = t")
        #expect(configuration.brokers == [BrokerSettings(url: "mqtt://b", topicRoot: "t", keepAlive: 9)])
    }

    @Test("the environment beats files, an option beats both, and unknown variables are nobody's")
    func precedence() throws {
        try directory.write("[agent]\nstate = /file\nsocket = /file\nlog = error\n[broker lan]\nurl = mqtt://file")
        let environment = [
            "CULVER_AGENT_STATE": "/environment", "CULVER_AGENT_SOCKET": "/environment",
            "CULVER_BROKER_LAN_URL": "mqtt://environment", "CULVER_SOCKET": "/tool", "CULVER_VECTORS": "x",
            "CULVER_AGENT_NONSENSE": "x", "CULVER_ACCESS_READER": "",
        ]
        let configuration = try directory.load(environment) { $0.state = "here" }
        #expect(configuration.agent.state == "here")
        #expect(configuration.agent.socket == "/environment")
        #expect(configuration.agent.log == .error)
        #expect(configuration.brokers.map(\.name) == ["lan"])
        #expect(configuration.brokers.map(\.url) == ["mqtt://environment"])
    }

    @Test("a broker of the environment is there without any section")
    func environmentBroker() throws {
        try directory.write("")
        let brokers = try directory.load(["CULVER_BROKER_URL": "mqtt://e"]).brokers
        #expect(brokers == [BrokerSettings(url: "mqtt://e")])
    }

    @Test("a named file that is not there is an error, so is one that cannot be read")
    func missing() throws {
        for (path, words) in [
            (directory.main, "there is no such file"), (directory.path, "cannot be read: is a directory"),
        ] {
            #expect(throws: ConfigurationErrors(problems: [.init(file: path, line: 0, key: "", words: words)])) {
                _ = try directory.load { $0.config = path }
            }
        }
        try directory.write(String(repeating: "#", count: 256 << 10))
        #expect(throws: ConfigurationErrors.self) { try directory.load() }
    }

    @Test("a missing file of the user is no error, and the user's directories are used")
    func user() throws {
        var options = Options()
        options.isUser = true
        let environment = [
            "HOME": "/home/a", "XDG_RUNTIME_DIR": "/run/user/7", "XDG_STATE_HOME": "relative",
            "XDG_CONFIG_HOME": directory.path,
        ]
        let configuration = try Configuration.load(options, environment: environment)
        #expect(configuration.agent.state == "/home/a/.local/state/culver")
        #expect(configuration.agent.socket == "/run/user/7/culver/culver.sock")
        try FileManager.default.createDirectory(atPath: directory.path + "/culver", withIntermediateDirectories: true)
        try directory.write("[agent]\nstate = /set", to: "culver/culver.conf")
        #expect(try Configuration.load(options, environment: environment).agent.state == "/set")
    }

    @Test("a file is found by path, or by the name of a credential")
    func credentials() {
        let environment = ["CREDENTIALS_DIRECTORY": "/run/credentials/culver"]
        #expect(Configuration.path(of: "/a", environment: [:]) == "/a")
        #expect(Configuration.path(of: "a", environment: environment) == "/run/credentials/culver/a")
        #expect(Configuration.path(of: "a", environment: [:]) == nil)
    }
}
