import ArgumentParser
import Control
import Format
import Glibc
import System

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
    /// Waits until a message has come that far or has ended, shows it, and ends the command accordingly. A daemon that
    /// restarts meanwhile is asked again for what is left of the time.
    static func wait(
        for id: String, until goal: Goal, within timeout: TimeSpan, globals: Globals, asking daemon: LastingDaemon
    ) throws {
        let message = try Progress.during("waiting until \(id) is \(goal.rawValue)", quiet: globals.json) {
            try answer(for: id, until: goal, within: timeout, asking: daemon)
        }
        let state = message.text("state")
        if globals.json { Screen.line(message) }
        let exit = goal.exit(for: state)
        guard exit != 0 else { return }
        if !globals.json {
            Screen.complain(words(for: message, in: state))
            if exit == Control.ExitCode.notNow.rawValue { Screen.hint(MessageFate.accepted(id: id).hint) }
        }
        throw Quiet(exit: exit)
    }

    /// The same of a file that goes in pieces: until all of it is there.
    static func waitForFile(
        in id: String, within seconds: Double, globals: Globals, asking daemon: LastingDaemon
    ) throws {
        let end = KernelClock.monotonic.now + seconds
        let progress = Progress("sending the file", quiet: globals.json)
        defer { progress.end() }
        while true {
            let file = try daemon.call("file.show", ["id": .string(id)])
            switch file.text("state") {
            case "going":
                progress.say("\(Words.size(file.count("have"))) of \(Words.size(file.count("size")))")
                guard KernelClock.monotonic.now < end else {
                    var failure = ToolFailure(.notNow, "timed-out", "not all of the file has come to its receiver")
                    failure.fate = .accepted(id: id)
                    throw failure
                }
                usleep(200_000)
            case "whole":
                if globals.json { Screen.line(file) }
                return
            case let state:
                let reason = file["reason"]?.string.map { ": \($0)" } ?? ""
                throw ToolFailure(.undelivered, "file-\(state)", "the file is \(state)\(reason)")
            }
        }
    }

    private static func answer(
        for id: String, until goal: Goal, within timeout: TimeSpan, asking daemon: LastingDaemon
    ) throws -> JSON {
        let end = KernelClock.monotonic.now + timeout.seconds
        var left: Double?
        do {
            return try daemon.call("message.wait", until: end) {
                let seconds = left ?? timeout.seconds
                defer { left = max(0, end - KernelClock.monotonic.now) }
                return ["id": .string(id), "until": .string(goal.rawValue), "timeout": .number(seconds)]
            }
        } catch var error as RPCError where error.exit == .notNow {
            error.hint = nil
            throw notYet(ToolFailure(error), id)
        } catch let error as ControlError {
            throw notYet(
                ToolFailure(
                    .notNow, "timed-out", "whether message \(id) is \(goal.rawValue) is not known: \(error)"), id)
        }
    }

    private static func notYet(_ failure: ToolFailure, _ id: String) -> ToolFailure {
        var failure = failure
        failure.fate = .accepted(id: id)
        return failure
    }

    private static func words(for message: JSON, in state: String) -> String {
        let reason = message["reason"]?.string.map { ": \($0)" } ?? ""
        return "message \(message.text("id")) is \(state)\(reason)"
    }
}
