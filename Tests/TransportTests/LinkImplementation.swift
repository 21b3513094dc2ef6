import TestSupport

@testable import Transport

/// The implementations of `Link` for which the contract holds.
enum LinkImplementation: String, CaseIterable, Sendable {
    case mosquitto
    case loopback

    /// What a broker does not do as most do.
    enum Trait {
        /// Nothing is retained, and no will is to be.
        case withoutRetain
        /// Packets of 2000 bytes at most.
        case shortPackets
    }

    @MainActor
    func broker(_ trait: Trait? = nil) async throws -> any ContractBroker {
        switch self {
        case .mosquitto:
            let lines: [LinkImplementation.Trait: String] = [
                .withoutRetain: "retain_available false", .shortPackets: "max_packet_size 2000",
            ]
            return try await MosquittoContractBroker(trait.flatMap { lines[$0] })
        case .loopback:
            let broker = LoopbackBroker()
            broker.takesWills = trait != .withoutRetain
            broker.packetLimit = trait == .shortPackets ? 2_000 : nil
            return broker
        }
    }
}

/// A broker, the links to it, and what can happen to both.
@MainActor
protocol ContractBroker {
    func options(_ clientID: String) throws -> BrokerOptions
    func link(_ options: BrokerOptions, on event: @escaping @MainActor (LinkEvent) -> Void) -> any Link
    /// Breaks the connection without a DISCONNECT.
    func cut(_ witness: Witness)
    func stop()
    /// With what it had: retained messages and sessions.
    func restart() async throws
}

extension ContractBroker {
    func witness(_ options: BrokerOptions) -> Witness { Witness { link(options, on: $0) } }
    func witness(_ clientID: String) throws -> Witness { witness(try options(clientID)) }
}

extension LoopbackBroker: ContractBroker {
    func options(_ clientID: String) throws -> BrokerOptions { try BrokerOptions("mqtt://loopback", clientID) }

    func link(_ options: BrokerOptions, on event: @escaping @MainActor (LinkEvent) -> Void) -> any Link {
        LoopbackLink(options, at: self, timing: .quick, on: event)
    }

    func cut(_ witness: Witness) {
        if let link = witness.link as? LoopbackLink { cut(link.clientID) }
    }
}

/// A real mosquitto, with the links of the product.
@MainActor
private struct MosquittoContractBroker: ContractBroker {
    private let broker: Mosquitto

    init(_ line: String?) async throws {
        var options = Mosquitto.Options()
        options.persistence = true
        options.extra = line.map { [$0] } ?? []
        broker = try await Mosquitto(options)
    }

    func options(_ clientID: String) throws -> BrokerOptions { try BrokerOptions(broker.url, clientID) }

    func link(_ options: BrokerOptions, on event: @escaping @MainActor (LinkEvent) -> Void) -> any Link {
        MosquittoLink(options, timing: .quick, on: event)
    }

    func cut(_ witness: Witness) {
        let link = witness.mosquitto
        guard let connection = link.current else { return }
        link.later { $0.end(connection, because: "cut") }
    }

    func stop() { broker.stop() }
    func restart() async throws { try await broker.restart() }
}
