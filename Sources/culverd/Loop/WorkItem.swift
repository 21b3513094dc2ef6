import Agent
import Control

/// One thing for a turn to do.
enum WorkItem {
    case input(Input)
    /// A call of a client; answers itself through `Turn.after`.
    case request(Call, @MainActor (Call, inout Turn) throws -> Void)
    /// Something of the daemon's own.
    case chore(@MainActor (inout Turn) throws -> Void)
    /// The same, but tried again until it works.
    case duty(@MainActor (inout Turn) throws -> Void)

    /// Nobody waits for it: what a broker took will be repeated or receipted anyway.
    var isPatient: Bool {
        if case .input(.acknowledged(_, .taken)) = self { true } else { false }
    }

    /// What a broker said is said once: lost, it would leave parcels on their way for ever.
    var isOwed: Bool {
        switch self {
        case .input(.linked), .input(.unlinked), .input(.acknowledged), .input(.room): true
        default: false
        }
    }
}
