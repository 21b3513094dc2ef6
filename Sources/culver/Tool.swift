import ArgumentParser
import CLinux
import Control
import Format
import Glibc

/// From a command line to an exit status.
enum Tool {
    /// What the caller closed stays unusable, and no socket takes its number: reading and writing fail, as they should.
    static func holdStandardStreams() {
        for stream: Int32 in 0...2 where fcntl(stream, F_GETFD) < 0 {
            _ = open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY)
        }
    }

    static func run(_ arguments: [String]) -> Int32 {
        let arguments = Array(arguments.dropFirst())
        let json = ArgumentOrder.wantsJSON(arguments)
        do {
            if let stray = ArgumentOrder.stray(arguments) { throw stray }
            var command = try Culver.parseAsRoot(ArgumentOrder.arranged(arguments))
            try command.run()
            return Screen.finish()
        } catch let quiet as Quiet {
            let status = Screen.finish()
            return status == 0 ? quiet.exit : status
        } catch let failure as ToolFailure {
            return tell(failure, json)
        } catch let error as RPCError {
            return tell(ToolFailure(error), json)
        } catch let error as ControlError {
            return tell(ToolFailure(error), json)
        } catch {
            return parserSays(error, json)
        }
    }

    private static func tell(_ failure: ToolFailure, _ json: Bool) -> Int32 {
        if json {
            Screen.line(["error": failure.error.json])
        } else {
            Screen.complain(failure.error.message)
            if let hint = failure.error.hint { Screen.hint(hint) }
        }
        _ = Screen.finish()
        return failure.exit
    }

    /// Help, versions and completions come as errors too; their status is 0.
    private static func parserSays(_ error: any Error, _ json: Bool) -> Int32 {
        let words = TextArgument.withoutMarks(Culver.fullMessage(for: error))
        guard Culver.exitCode(for: error) != .success else {
            Screen.raw(words)
            return Screen.finish()
        }
        if json {
            return tell(ToolFailure(.usage, "usage", TextArgument.withoutMarks(Culver.message(for: error))), json)
        }
        fputs(words + "\n", culver_stderr())
        return Control.ExitCode.usage.rawValue
    }
}
