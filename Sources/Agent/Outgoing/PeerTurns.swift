import DIMP
import Records

/// Peers that have something to send and may, in a line: each goes to its end when it has had its turn.
struct PeerTurns {
    private var flows: [ID: PeerFlow] = [:]
    private var line: [ID] = []
    private var hasBegun = false

    subscript(receiver: ID) -> PeerFlow { flows[receiver] ?? PeerFlow() }

    var isEmpty: Bool { line.isEmpty }
    var count: Int { line.count }

    /// Something happened to the peer's flow.
    mutating func update<Answer>(_ receiver: ID, by change: (inout PeerFlow) -> Answer) -> Answer {
        var flow = flows.removeValue(forKey: receiver) ?? PeerFlow()
        let answer = change(&flow)
        if flow.next != nil, !flow.isInLine {
            flow.isInLine = true
            line.append(receiver)
        }
        if !flow.isIdle { flows[receiver] = flow }
        return answer
    }

    /// Nothing is known of a peer to which nothing is on its way: what ends does not begin a flow.
    mutating func updateKnown(_ receiver: ID, by change: (inout PeerFlow) -> Void) {
        if flows[receiver] != nil { update(receiver, by: change) }
    }

    /// The shipment is to wait for its receiver's turn, and no longer than the first of its rows lives. To be written.
    mutating func hold(_ shipment: inout Shipment, until expires: Double) {
        if !shipment.isHeld {
            update(shipment.receiver) {
                $0.held(shipment.number, priority: shipment.priority, wasSent: shipment.attempts > 0)
            }
        }
        (shipment.due, shipment.isHeld) = (expires, true)
    }

    /// Shipments ended, each with this row: others may go in their place.
    mutating func ended(_ rows: [Outgoing], at lived: Double) {
        for row in rows {
            guard let number = row.shipment else { continue }
            updateKnown(row.receiver) { flow in
                if row.state == .delivered { flow.receipted(number, at: lived) } else { flow.ended(number) }
            }
        }
    }

    /// What waited for its turn when the last start of the daemon ended, and what was accepted since, is asked for.
    mutating func begin(in context: Context) throws(LedgerError) {
        guard !hasBegun else { return }
        hasBegun = true
        for receiver in try context.ledger.heldReceivers(limit: .max) {
            update(receiver) { $0.foundBefore() }
        }
    }

    /// The first in the line, and what may go to it. It leaves the line, until something is `found`.
    mutating func next() -> (receiver: ID, portion: PeerFlow.Portion)? {
        while !line.isEmpty {
            let receiver = line.removeFirst()
            flows[receiver]?.isInLine = false
            if let portion = flows[receiver]?.next { return (receiver, portion) }
        }
        return nil
    }
}
