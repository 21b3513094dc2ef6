package import DIMP

/// One row of the event log: what an operator wants to find after a bad night (culver-protocol(7), Notifications).
package struct EventRecord: Sendable, Equatable {
    /// 0 until stored. Like ones within a minute share a row: `count` rises, and `time` and `text` are the last one's.
    package var n: Int64
    package var time: Double
    package var kind: Kind
    package var level: Level
    package var did: ID?
    package var broker: String?
    package var id: String?
    package var reason: String?
    package var count: Int64
    package var text: String
    /// When the first of several was; `nil` for a single one.
    package var first: Double?

    /// When the first or only one was.
    package var began: Double { first ?? time }

    package init(
        n: Int64 = 0, time: Double, kind: Kind, level: Level, did: ID? = nil, broker: String? = nil,
        id: String? = nil, reason: String? = nil, count: Int64 = 1, text: String, first: Double? = nil
    ) {
        self.n = n
        self.time = time
        self.kind = kind
        self.level = level
        self.did = did
        self.broker = broker
        self.id = id
        self.reason = reason
        self.count = count
        self.text = text
        self.first = first
    }

    package enum Kind: String, Sendable, CaseIterable {
        case start, config, broker, identity, contact, request, message, refused, gap, inbox, clone, visa, clock, disk,
            presence, group, file, call, bridge
    }

    package enum Level: String, Sendable, CaseIterable {
        case error, warning, info, debug
    }
}
