import Agent
import DIMP
import Diagnostics
import Format
import Foundation
import TestSupport
import Testing
import Transport

@testable import culverd

/// What the daemon's doctor makes of what it finds.
@MainActor @Suite struct DoctorTests {
    private func target(
        _ url: String, name: String = "default", user: String? = nil, trouble: String? = "away"
    ) throws -> ProbeTarget {
        var options = BrokerOptions(name: name, address: try BrokerAddress(url: url), clientID: "culver-1")
        options.username = user
        return ProbeTarget(
            setting: BrokerSetting(options: options, topics: Topics(root: "dim/v1"), url: url),
            identities: [try Self.moki.get()], trouble: trouble)
    }

    private static let moki = Result { try madeIdentity("moki") }

    // MARK: - Brokers

    @Test(
        "why a broker cannot be reached leads to its cure",
        arguments: [
            (
                "mqtt://10.0.0.1:1883", "cannot reach mqtt://10.0.0.1:1883: connection refused",
                "systemctl start mosquitto"
            ),
            ("mqtt://b.lan:1883", "cannot reach mqtt://b.lan:1883: name or service not known", "getent hosts b.lan"),
            ("mqtts://b.lan:8883", "TLS: the broker's certificate is not for b.lan", "url = mqtts://NAME:8883"),
            ("mqtts://b.lan:8883", "TLS: certificate verify failed: self-signed certificate", "ca_file = FILE"),
            ("mqtts://b.lan:8883", "TLS: certificate verify failed: certificate has expired", "renew the broker's"),
            ("mqtts://b.lan:8883", "TLS: tlsv13 alert certificate required", "cert_file = FILE and key_file"),
            ("mqtts://b.lan:8883", "cannot reach it: TLS: certificate verify failed", "openssl x509 -dates"),
            (
                "mqtts://b.lan:8883", "TLS: certificate verify failed: certificate is not yet valid",
                "set the clock: timedatectl"
            ),
            ("mqtts://b.lan:8883", "TLS: sslv3 alert certificate expired", "our own certificate: [broker] cert_file"),
            ("mqtts://b.lan:1883", "TLS: wrong version number", "url = mqtts://b.lan:PORT"),
            ("mqtts://b.lan:8883", "cannot reach it: cannot use /x/c.key: bad base64 decode", "put a good one there"),
            ("mqtts://b.lan:8883", "cannot read /x/ca.pem: no such file or directory", "names that file"),
            ("mqtt://b.lan:1883", "the broker refuses us: not authorized", "[broker] username = NAME"),
            ("mqtt://b.lan:1883", "no answer within 10 s", "mqtts://b.lan:1883 if the broker wants TLS"),
        ])
    func unreachable(_ url: String, _ reason: String, _ cure: String) throws {
        let check = (try target(url)).advice.unreachable(reason)
        #expect(check.result == .fail)
        #expect(check.text == "default: \(reason)")
        #expect(check.hint?.contains(cure) == true, "\(check.hint ?? "")")
        // No hint tells anybody to do without TLS.
        #expect(!url.hasPrefix("mqtts:") || check.hint?.contains("mqtt://") == false)
    }

    @Test("a second connection that is not let in beside ours is a warning")
    func notLetIn() throws {
        let check = (try target("mqtt://b.lan:1883", trouble: nil)).advice.unreachable("quota exceeded")
        #expect(check.result == .warn)
    }

    @Test("MQTT 3.1.1 is a warning, and so is a link of our own that is away")
    func reached() throws {
        #expect((try target("mqtt://b:1", trouble: nil)).advice.reached(isNewest: true).map(\.result) == [.ok])
        #expect((try target("mqtt://b:1", trouble: nil)).advice.reached(isNewest: false).map(\.result) == [.warn])
        #expect((try target("mqtt://b:1")).advice.reached(isNewest: true).map(\.result) == [.ok, .warn])
    }

    @Test("what does not stand is a failure, but where the broker keeps nothing retained, or our link is away")
    func missing() throws {
        func result(_ target: ProbeTarget, isKept: Bool) -> Check.Result {
            target.advice.directory(missing: ["x"], all: "#", isKept: isKept).result
        }
        let linked = try target("mqtt://b:1", trouble: nil)
        #expect(result(linked, isKept: true) == .fail)
        #expect(result(linked, isKept: false) == .warn)
        #expect(result(try target("mqtt://b:1"), isKept: true) == .warn)
        #expect(linked.advice.directory(missing: [], all: "#", isKept: false).result == .ok)
    }

    @Test("a session that ends before a message does is a warning, and so are small packets and no retained ones")
    func grants() throws {
        let advice = (try target("mqtt://b.lan")).advice
        func check(
            session: Int64 = 31 * 86_400, inFlight: Int64? = nil, packet: Int64? = nil, keepsRetained: Bool = true
        ) throws -> Check {
            let checks = advice.grants(
                session: session, inFlight: inFlight, packet: packet, keepsRetained: keepsRetained, expiry: 7 * 86_400,
                message: 1 << 20)
            return try #require(checks.first)
        }
        #expect(try check().result == .ok)
        #expect(try check(session: 7 * 86_400).result == .ok)
        #expect(try check(inFlight: 20).text.contains("31 d after we have gone, takes 20 messages at once"))
        let (day, minutes) = (try check(session: 86_400), try check(session: 300))
        #expect(day.result == .warn && day.text.contains("ends our session 1 d"))
        #expect(minutes.text.contains("5 min"))
        #expect(try check(packet: 1 << 20).result == .ok)
        let small = try check(packet: 65_536)
        #expect(small.result == .warn && small.hint?.contains("max_packet_size") == true)
        #expect(try check(keepsRetained: false).hint?.contains("retain_available") == true)
    }

    @Test(
        "a root with characters that RabbitMQ or NATS do not take as they are is told, and its ACL is not blamed",
        arguments: [("dim/v1", nil), ("a-b_c/9", nil), ("a.b", "."), ("a/*", "*"), ("a b", "blank"), ("é", "é")]
            as [(String, String?)])
    func root(_ root: String, _ odd: String?) throws {
        var target = try target("mqtt://b.lan", trouble: nil)
        target.setting.topics = Topics(root: root)
        let doubt = target.setting.topics.doubt
        #expect((doubt == nil) == (odd == nil))
        #expect(odd == nil || doubt?.contains(odd ?? "") == true)
        #expect(target.advice.reached(isNewest: true).map(\.result) == (odd == nil ? [.ok] : [.ok, .warn]))
        let access = target.advice.access(denied: (topic: "x", reason: nil))
        #expect(access.hint?.contains("acl_file") == (odd == nil))
    }

    @Test("acknowledgements that do not come back are a warning with the line of the ACL, and nothing where they do")
    func acknowledgements() throws {
        let target = try target("mqtt://b.lan", user: "garden")
        let topic = try #require(target.acknowledgements.first)
        #expect(topic.hasSuffix("/ack"))
        var finding = ProbeFinding()
        finding.echoed = Set(target.inboxes)
        #expect(finding.denied(of: target) == nil)
        let check = try #require(
            target.advice.acknowledgements(denied: finding.denied(among: target.acknowledgements)).first)
        #expect(check.result == .warn)
        #expect(check.hint == "in the broker's acl_file, below `user garden`: topic readwrite \(topic)")
        finding.echoed.insert(topic)
        #expect(target.advice.acknowledgements(denied: finding.denied(among: target.acknowledgements)).isEmpty)
    }

    @Test("a retained message on an inbox is told, with the command that clears it")
    func retainedOnInbox() throws {
        let target = try target("mqtt://b.lan", trouble: nil)
        #expect(target.advice.retainedMessages(on: []).isEmpty)
        let check = try #require(target.advice.retainedMessages(on: ["t/A/in"]).first)
        #expect(check.result == .warn)
        #expect(check.hint == "mosquitto_pub -h b.lan -r -n -t t/A/in")
    }

    @Test(
        "what is not encrypted on its way to another machine is a warning",
        arguments: [
            ("mqtt://127.0.0.1", Check.Result.ok), ("mqtt://localhost", .ok), ("mqtt://[::1]", .ok),
            ("unix:///run/m.sock", .ok), ("mqtt://10.0.0.1", .warn), ("mqtt://b.lan", .warn),
        ])
    func encryption(_ url: String, _ result: Check.Result) throws {
        #expect((try target(url)).advice.encryption(days: nil).map(\.result) == [result])
    }

    @Test("a topic that does not work is named with the line of the ACL, below the user's name")
    func access() throws {
        let target = try target("mqtt://b.lan", user: "garden")
        let topic = target.setting.topics.text(.inbox(target.identities[0].id.address))
        var finding = ProbeFinding()
        #expect(target.advice.access(denied: finding.denied(of: target)).text.contains("did not come back"))
        #expect(
            target.advice.access(denied: finding.denied(of: target)).hint
                == "in the broker's acl_file, below `user garden`: topic readwrite \(topic)")
        finding.denied[topic] = "it may not be written to: not authorized (135)"
        #expect(target.advice.access(denied: finding.denied(of: target)).text.hasSuffix("not authorized (135)"))
        finding.echoed = [topic]
        #expect(target.advice.access(denied: finding.denied(of: target)).result == .ok)
    }

    @Test("the directory is well when our own meta, newest visa and signed state stand there, not anything")
    func directory() throws {
        let target = try target("mqtt://b.lan", trouble: nil)
        let (topics, identity) = (target.setting.topics, target.identities[0])
        var finding = ProbeFinding()
        func directory() -> Check {
            target.advice.directory(
                missing: finding.missing(of: target), all: target.ownTopics, isKept: true)
        }
        finding.retained[topics.text(.meta(identity.id.address))] = JSON.object(identity.meta.json).bytes
        let statement = Statement(isOnline: true, at: identity.visa.time, boot: "b")
        let state = topics.text(.state(identity.id.address))
        finding.retained[state] = try statement.signed(by: identity, with: [])
        finding.retained[topics.text(.visa(identity.id.address))] = Array("{}".utf8)
        let check = directory()
        #expect(check.result == .fail)
        #expect(check.text.contains("/visa"))
        finding.retained[topics.text(.visa(identity.id.address))] = JSON.object(identity.visa.json).bytes
        #expect(directory().result == .ok)
        finding.retained[state] = Array("{\"data\":\"{}\",\"signature\":\"\"}".utf8)
        #expect(directory().text.contains("/state"))
        finding.retained[state] = try statement.signed(by: identity, with: [])
        let older = try Document.visa(
            of: identity.id, name: "moki", key: identity.visaKeys[0].publicKey, time: identity.visa.time - 100,
            signedBy: identity.secret)
        finding.retained[topics.text(.visa(identity.id.address))] = JSON.object(older.json).bytes
        #expect(directory().text.contains("/visa"))
    }

    @Test("what the broker kept of a hundred is told")
    func queue() throws {
        let target = try target("mqtt://b.lan")
        #expect(target.advice.queue(100, of: 100).result == .ok)
        #expect(target.advice.queue(10, of: 100).text.contains("only about 10"))
        #expect(target.advice.queue(0, of: 100).text.contains("keeps nothing"))
    }
}
