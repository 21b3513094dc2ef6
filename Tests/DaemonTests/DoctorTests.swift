import Agent
import Control
import DIMP
import Format
import Foundation
import Operations
import TestSupport
import Testing
import Transport

@testable import culverd

/// What the daemon's doctor makes of what it finds.
@MainActor @Suite struct DoctorTests {
    private func subject(
        _ url: String, name: String = "default", user: String? = nil, trouble: String? = "away"
    ) throws -> BrokerProbe.Subject {
        var options = BrokerOptions(name: name, address: try BrokerAddress(url: url), clientID: "culver-1")
        options.username = user
        return BrokerProbe.Subject(
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
            ("mqtts://b.lan:8883", "cannot read /x/ca.pem: no such file or directory", "names that file"),
            ("mqtt://b.lan:1883", "the broker refuses us: not authorized", "[broker] username = NAME"),
            ("mqtt://b.lan:1883", "no answer within 10 s", "mqtts://b.lan:1883 if the broker wants TLS"),
        ])
    func unreachable(_ url: String, _ reason: String, _ cure: String) throws {
        let check = BrokerAdvice.unreachable(try subject(url), reason)
        #expect(check.result == .fail)
        #expect(check.text == "default: \(reason)")
        #expect(check.hint?.contains(cure) == true, "\(check.hint ?? "")")
    }

    @Test("a second connection that is not let in beside ours is a warning")
    func notLetIn() throws {
        let check = BrokerAdvice.unreachable(try subject("mqtt://b.lan:1883", trouble: nil), "quota exceeded")
        #expect(check.result == .warn)
    }

    @Test("MQTT 3.1.1 is a warning, and so is a link of our own that is away; a refused will fails")
    func reached() throws {
        #expect(BrokerAdvice.reached(try subject("mqtt://b:1", trouble: nil), .v5).map(\.result) == [.ok])
        #expect(BrokerAdvice.reached(try subject("mqtt://b:1", trouble: nil), .v311).map(\.result) == [.warn])
        #expect(BrokerAdvice.reached(try subject("mqtt://b:1"), .v5).map(\.result) == [.ok, .warn])
        let retaining = try subject("mqtt://b:1", trouble: "the broker refuses us: retain not supported")
        #expect(BrokerAdvice.reached(retaining, .v5).map(\.result) == [.ok, .fail])
    }

    @Test(
        "what is not encrypted on its way to another machine is a warning",
        arguments: [
            ("mqtt://127.0.0.1", Check.Result.ok), ("mqtt://localhost", .ok), ("mqtt://[::1]", .ok),
            ("unix:///run/m.sock", .ok), ("mqtt://10.0.0.1", .warn), ("mqtt://b.lan", .warn),
        ])
    func encryption(_ url: String, _ result: Check.Result) throws {
        #expect(BrokerAdvice.encryption(try subject(url), nil).map(\.result) == [result])
    }

    @Test("a topic that does not work is named with the line of the ACL, below the user's name")
    func access() throws {
        let subject = try subject("mqtt://b.lan", user: "garden")
        let topic = subject.setting.topics.text(.inbox(subject.identities[0].id.address))
        var finding = BrokerProbe.Finding()
        #expect(BrokerAdvice.access(subject, finding).text.contains("did not come back"))
        #expect(
            BrokerAdvice.access(subject, finding).hint
                == "in the broker's acl_file, below `user garden`: topic readwrite \(topic)")
        finding.denied[topic] = "it may not be written to: not authorized (135)"
        #expect(BrokerAdvice.access(subject, finding).text.hasSuffix("not authorized (135)"))
        finding.echoed = [topic]
        #expect(BrokerAdvice.access(subject, finding).result == .ok)
    }

    @Test("the directory is well when our own meta, newest visa and signed state stand there, not anything")
    func directory() throws {
        let subject = try subject("mqtt://b.lan", trouble: nil)
        let (topics, identity) = (subject.setting.topics, subject.identities[0])
        var finding = BrokerProbe.Finding()
        finding.retained[topics.text(.meta(identity.id.address))] = JSON.object(identity.meta.json).bytes
        let statement = Statement(isOnline: true, at: identity.visa.time, boot: "b")
        let state = topics.text(.state(identity.id.address))
        finding.retained[state] = try statement.signed(by: identity, with: [])
        finding.retained[topics.text(.visa(identity.id.address))] = Array("{}".utf8)
        let check = BrokerAdvice.directory(subject, finding)
        #expect(check.result == .fail)
        #expect(check.text.contains("/visa"))
        finding.retained[topics.text(.visa(identity.id.address))] = JSON.object(identity.visa.json).bytes
        #expect(BrokerAdvice.directory(subject, finding).result == .ok)
        finding.retained[state] = Array("{\"data\":\"{}\",\"signature\":\"\"}".utf8)
        #expect(BrokerAdvice.directory(subject, finding).text.contains("/state"))
        finding.retained[state] = try statement.signed(by: identity, with: [])
        let older = try Document.visa(
            of: identity.id, name: "moki", key: identity.visaKeys[0].publicKey, time: identity.visa.time - 100,
            signedBy: identity.secret)
        finding.retained[topics.text(.visa(identity.id.address))] = JSON.object(older.json).bytes
        #expect(BrokerAdvice.directory(subject, finding).text.contains("/visa"))
    }

    @Test("what the broker kept of a hundred is told")
    func queue() throws {
        let subject = try subject("mqtt://b.lan")
        #expect(BrokerAdvice.queue(subject, 100, of: 100).result == .ok)
        #expect(BrokerAdvice.queue(subject, 10, of: 100).text.contains("only about 10"))
        #expect(BrokerAdvice.queue(subject, 0, of: 100).text.contains("keeps nothing"))
    }

    // MARK: - Limits

    @Test("a queue is well up to four fifths, then a warning, and fails when it is full, in messages or bytes")
    func fill() {
        func result(_ count: Int, _ bytes: Int) -> Check.Result {
            Fill("outbox", count, 100, bytes, 1000).check("outbox", then: "x", hint: "y").result
        }
        #expect(result(80, 800) == .ok)
        #expect(result(81, 0) == .warn)
        #expect(result(0, 801) == .warn)
        #expect(result(100, 0) == .fail)
        #expect(result(0, 1000) == .fail)
    }

    // MARK: - Configuration files

    @Test("a password that others can read and a configuration that they can change fail, and are mended")
    func papers() throws {
        let scratch = try TemporaryDirectory()
        let (main, password) = (try scratch.write("c", ""), try scratch.write("p", "x"))
        chmod(main, 0o646)
        chmod(password, 0o644)
        var configuration = Configuration()
        configuration.brokers[0].passwordFile = password
        configuration.brokers[0].keyFile = scratch.file("nowhere")
        let papers = TLSFiles(configuration, try Options(["--config", main]), [:])
        #expect(papers.checks(mends: false).map(\.hint) == ["chmod 644 \(main)", "chmod 640 \(password)"])
        #expect(papers.checks(mends: true).map(\.result) == [.ok, .ok])
        #expect(papers.checks(mends: false).map(\.text) == ["its files are for those only who may have them"])
    }
}
