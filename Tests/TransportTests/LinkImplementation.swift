import TestSupport

@testable import Transport

/// The implementations of `Link` for which the contract holds.
enum LinkImplementation: String, CaseIterable, Sendable {
    case mosquitto
    case loopback

    @MainActor
    func broker() async throws -> any ContractBroker {
        switch self {
        case .mosquitto: try await MosquittoContractBroker()
        case .loopback: LoopbackBroker()
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

    init() async throws {
        var options = Mosquitto.Options()
        options.persistence = true
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
