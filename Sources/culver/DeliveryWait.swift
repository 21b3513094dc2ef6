import ArgumentParser
import Control
import Format

/// What a caller may wait for, and how far a message has come.
enum Goal: String, ExpressibleByArgument, CaseIterable {
    case published, delivered

    /// 0 reached · 75 not yet · 76 ended without.
    func exit(for state: String) -> Int32 {
        switch (self, state) {
        case (_, "delivered"), (.published, "published"): 0
        // To software that sends no receipts it ends here.
        case (.delivered, "published"): Control.ExitCode.undelivered.rawValue
        case (_, "expired"), (_, "failed"), (_, "cancelled"): Control.ExitCode.undelivered.rawValue
        default: Control.ExitCode.notNow.rawValue
        }
    }
}

/// `send --wait` and `message wait`.
enum DeliveryWait {
    /// Waits until a message has come that far or has ended, shows it, and ends the command accordingly.
    static func wait(
        for id: String, until goal: Goal, within timeout: TimeSpan, globals: Globals, asking daemon: DaemonBackend
    ) throws {
        let params: JSONObject = [
            "id": .string(id), "until": .string(goal.rawValue), "timeout": .number(timeout.seconds),
        ]
        let message = try Progress.during("waiting until \(id) is \(goal.rawValue)", quiet: globals.json) {
            try daemon.call("message.wait", params)
        }
        let state = message.text("state")
        if globals.json { Screen.line(message) }
        let exit = goal.exit(for: state)
        guard exit != 0 else { return }
        if !globals.json { Screen.complain(words(for: message, in: state)) }
        throw Quiet(exit: exit)
    }

    private static func words(for message: JSON, in state: String) -> String {
        let reason = message["reason"]?.string.map { ": \($0)" } ?? ""
        return "message \(message.text("id")) is \(state)\(reason)"
    }
}
