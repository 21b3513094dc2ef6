import Agent
import DIMP
import Foundation
import Records
import Store
import TestSupport

@testable import culverd

/// A loop with a real store, real files and a messenger, in a directory of its own. The pool is at once: key work is
/// done where it is asked for.
@MainActor final class Rig {
    let directory: String
    let loop: Loop
    /// What the loop let out, in order.
    var effects: [Effect] = []
    /// Called before each.
    var onEffect: (@MainActor (Effect) -> Void)?

    init() throws {
        directory = NSTemporaryDirectory() + "loop-\(UUID().uuidString)"
        let state = try StateDirectory(directory)
        let store = try MessageStore(path: directory + "/" + Store.StatePath.messages)
        let clock = try culverd.Clock(store)
        let book = Book(facebook: try Facebook(state, time: clock.now.wall), keys: KeyStore(state))
        let messenger = Messenger(
            book: book, ledger: store, policy: Policy(), random: { UInt64.random(in: 0...(.max)) })
        loop = Loop(
            store: store, book: book, directory: state, clock: clock, messenger: messenger, log: Log(level: .error))
        loop.perform = { [weak self] effect in
            guard let self else { return }
            self.onEffect?(effect)
            self.effects.append(effect)
        }
        loop.work = { job, finish in finish(job.done()) }
    }

    deinit {
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// Waits until nothing is pending.
    func settle() async {
        await withCheckedContinuation { continuation in
            loop.finish { continuation.resume() }
        }
    }

    /// What is on disk, seen by a connection of its own.
    func onDisk() throws -> MessageStore {
        try MessageStore(path: directory + "/" + Store.StatePath.messages)
    }

    /// Nothing can be written to this directory of the state until `mend`.
    func breakDirectory(_ name: String) throws {
        try Data().write(to: URL(fileURLWithPath: directory + "/" + name))
    }

    func mend(_ name: String) throws {
        try FileManager.default.removeItem(atPath: directory + "/" + name)
    }
}

/// An identity with small keys, made once.
func madeIdentity(_ name: String) throws -> Identity {
    try Identity.register(name: name, network: 8, algorithm: .rsa, bits: 1024, time: 1_700_000_000)
}

func incoming(_ id: String, sender: String = "hulk@A", receiver: String = "moki@B", content: String = "{}") -> Incoming
{
    Incoming(
        id: id, sn: 1, sender: .sample(sender), receiver: .sample(receiver), time: 1_700_000_000,
        received: 1_700_000_001,
        content: content, type: 1, sealed: true, encrypted: true, trust: .contact)
}

extension Configuration {
    /// Of a daemon in this process: everything in one directory, no identity, and a broker that does not answer.
    static func alone(in directory: String) -> Configuration {
        var configuration = Configuration()
        configuration.agent.state = directory + "/state"
        configuration.agent.socket = directory + "/s"
        configuration.agent.log = .error
        configuration.identity.name = nil
        configuration.brokers[0].url = "mqtt://127.0.0.1:1"
        return configuration
    }
}
