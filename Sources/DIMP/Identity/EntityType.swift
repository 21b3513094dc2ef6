/// What an ID stands for, by the network byte of its address: 2019's values and today's (wire.md 2.2).
package enum EntityType: String, Sendable, CaseIterable {
    case user, group, station, provider, bot, device, other

    package init(network: UInt8) {
        switch network {
        case 0, 8: self = .user
        case 1, 16, 48: self = .group
        case 2, 136: self = .station
        case 3, 118: self = .provider
        case 4, 200: self = .bot
        case 128: self = .device
        default: self = .other
        }
    }

    /// The byte to make an ID with; `nil` when the era has none. 2019's device, station and bot bytes are taken for
    /// broadcast by stock 2.4.3, so a `device` exists only in that era.
    package func network(_ era: Era) -> UInt8? {
        switch (self, era) {
        case (.user, .today): 0
        case (.user, .year2019): 8
        case (.group, .today): 1
        case (.group, .year2019): 16
        case (.station, .today): 2
        case (.station, .year2019): 136
        case (.bot, .today): 4
        case (.bot, .year2019): 200
        case (.device, .year2019): 128
        case (.provider, _), (.other, _), (.device, .today): nil
        }
    }

    package enum Era: Sendable {
        case today, year2019
    }
}
