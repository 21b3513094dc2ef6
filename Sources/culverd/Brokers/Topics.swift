import Agent
import DIMP

/// Places as topics below one root (extensions.md 1). Addresses are safe as topic levels, IDs are not.
struct Topics: Sendable, Equatable {
    var root: String

    func text(_ place: Topic) -> String {
        switch place {
        case .inbox(let address): "\(root)/\(address)/in"
        case .meta(let address): "\(root)/\(address)/meta"
        case .visa(let address): "\(root)/\(address)/visa"
        case .state(let address): "\(root)/\(address)/state"
        }
    }

    /// `nil` for what is no topic of ours.
    func place(_ topic: String) -> Topic? {
        guard topic.hasPrefix(root + "/") else { return nil }
        let levels = topic.dropFirst(root.count + 1).split(separator: "/", omittingEmptySubsequences: false)
        guard levels.count == 2, let address = Address(String(levels[0])) else { return nil }
        switch levels[1] {
        case "in": return .inbox(address)
        case "meta": return .meta(address)
        case "visa": return .visa(address)
        case "state": return .state(address)
        default: return nil
        }
    }

    /// What an identity of ours listens to, and what is looked up of others.
    func own(_ address: Address) -> [String] {
        [text(.inbox(address)), text(.meta(address)), text(.visa(address)), text(.state(address))]
    }

    func card(_ address: Address) -> [String] {
        [text(.meta(address)), text(.visa(address))]
    }
}
