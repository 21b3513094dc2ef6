package import Records

extension MessageStore: BridgeLedger {
    package func readyBridged(
        bridge: String, direction: BridgedMessage.Way, limit: Int
    ) throws(LedgerError) -> [BridgedMessage] {
        try reading { () throws(LedgerError) in try tables.bridged.ready(bridge, direction, limit: limit) }
    }

    package func bridged(place: Int64) throws(LedgerError) -> BridgedMessage? { try tables.bridged.row(place) }

    package func bridged(
        bridge: String, direction: BridgedMessage.Way, topic: String
    ) throws(LedgerError) -> BridgedMessage? {
        try tables.bridged.newest(bridge, direction, topic: topic)
    }

    package func sentBridged() throws(LedgerError) -> [BridgedMessage] {
        try reading { () throws(LedgerError) in try tables.bridged.sent() }
    }

    package func bridgedSize(bridge: String, direction: BridgedMessage.Way) -> (count: Int64, bytes: Int64) {
        tables.bridged.size(bridge, direction)
    }

    package var bridgesWithRows: [String] { tables.bridged.bridges }
}
