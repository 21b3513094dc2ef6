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

    /// Without the program's own name.
    static func run(_ words: [[UInt8]]) -> Int32 {
        let arguments = words.map { String(decoding: $0, as: UTF8.self) }
        let json = ArgumentOrder.wantsJSON(arguments)
        do {
            try checkIsText(words)
            if let stray = ArgumentOrder.stray(arguments) ?? ArgumentOrder.noOption(arguments) { throw stray }
            var command = try Culver.parseAsRoot(ArgumentOrder.arranged(arguments))
            try command.run()
            return finished(with: 0, json)
        } catch let quiet as Quiet {
            return finished(with: quiet.exit, json)
        } catch let failure as ToolFailure {
            return tell(failure, json)
        } catch let error as RPCError {
            return tell(ToolFailure(error), json)
        } catch let error as ControlError {
            return tell(ToolFailure(error), json)
        } catch {
            return parserSays(error, about: arguments, json)
        }
    }

    /// What is not UTF-8 would be sent as something else, and two refs might become one.
    private static func checkIsText(_ words: [[UInt8]]) throws {
        for word in words where String(validating: word, as: UTF8.self) == nil {
            throw ToolFailure(
                .badData, "not-utf8", "the argument \(String(decoding: word, as: UTF8.self)) is not UTF-8",
                hint: "iconv -f latin1 converts; - takes a text from standard input")
        }
    }

    /// The status of a command that has nothing more to say, unless what it printed is lost.
    private static func finished(with status: Int32, _ json: Bool) -> Int32 {
        Screen.isWritten ? status : tell(Screen.unwritten, json)
    }

    private static func tell(_ failure: ToolFailure, _ json: Bool) -> Int32 {
        if json { Screen.line(failure.json) }
        // What cannot stand on standard output is still said.
        if !json || !Screen.isWritten {
            Screen.complain(failure.error.message)
            for hint in [failure.error.hint, failure.fate?.hint].compactMap({ $0 }) + failure.moreHints {
                Screen.hint(hint)
            }
        }
        return failure.exit
    }

    /// Help, versions and completions come as errors too; their status is 0.
    private static func parserSays(_ error: any Error, about arguments: [String], _ json: Bool) -> Int32 {
        let words = TextArgument.withoutMarks(Culver.fullMessage(for: error))
        guard Culver.exitCode(for: error) != .success else {
            Screen.raw(Completions.mended(words))
            return finished(with: 0, json)
        }
        return tell(UsageFailure.told(TextArgument.withoutMarks(Culver.message(for: error)), words, arguments), json)
    }
}
