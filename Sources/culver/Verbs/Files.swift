import ArgumentParser
import Control
import DIMP
import Format
import Glibc

struct FileVerbs: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "file", abstract: "Files that came in messages.",
        discussion: """
              culver send hub --file soil.png
              culver file list
              culver file fetch MESSAGE --to /srv/pictures

            A file is known by the id of the message that it came in.
            """,
        subcommands: [List.self, Show.self, Fetch.self, Drop.self])
}

extension FileVerbs {
    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the newest files.")

        @Option(help: "At most so many, 100 unless said.") var limit: Int?
        @OptionGroup var globals: Globals

        func run() throws {
            var params = JSONObject()
            params["limit"] = limit.map { .integer(Int64($0)) }
            globals.show(try globals.daemon().call("file.list", params)) { result in
                Screen.show(
                    Table(
                        "MESSAGE", "STATE", "SIZE", "TIME", "SENDER", "FILE",
                        rows: result.list("files").map {
                            [
                                .text($0.text("id")), .state($0.text("state")), .text(FileVerbs.size(of: $0)),
                                .time($0["time"]?.double), $0.cell("sender"), .text($0.text("filename")),
                            ]
                        }))
            }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show what is known of a file.")

        @Argument(help: ArgumentHelp("The id of its message.", valueName: "message")) var id: TextArgument
        @OptionGroup var globals: Globals

        func run() throws {
            globals.show(try globals.daemon().call("file.show", ["id": .string(id.text)])) { file in
                var rows = [
                    ["id", file.text("id")], ["state", file.text("state")], ["filename", file.text("filename")],
                    ["size", FileVerbs.size(of: file)], ["sender", file.who("sender")],
                    ["receiver", file.text("receiver")],
                ]
                if let url = file["url"]?.string { rows.append(["url", url]) }
                if let reason = file["reason"]?.string { rows.append(["reason", reason]) }
                Screen.facts(rows)
            }
        }
    }

    struct Fetch: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write a file that came; prints where.",
            discussion: """
                Without --to, or where it names a directory, the file gets the name that its sender gave it, without what \
                would lead elsewhere, and nothing is replaced: a file that is there already has another one beside it, \
                as in "soil (2).png". The path is printed. With --to - the bytes go to standard output.

                Status 75: not all of it has come yet. 66: there is no such file, or its bytes are gone.
                """)

        @Argument(help: ArgumentHelp("The id of its message.", valueName: "message")) var id: TextArgument
        @Option(
            help: ArgumentHelp("A directory, a new name, or - for standard output.", valueName: "path"),
            completion: .file())
        var to: TextArgument?
        @OptionGroup var globals: Globals

        func run() throws {
            let daemon = try globals.daemon()
            var piece = try daemon.call("file.get", params(from: 0))
            let size = piece.count("size")
            let target = try Target(to?.text, name: FileName.safe(piece.text("filename")))
            let progress = Progress("fetching \(Words.size(size))", quiet: globals.json)
            defer { progress.end() }
            var done: Int64 = 0
            while done < size {
                guard let bytes = piece["data"]?.string.flatMap(Base64.decode), !bytes.isEmpty,
                    Int64(bytes.count) <= size - done
                else { throw ToolFailure(.io, "cut-off", "the file ended after \(done) of \(size) bytes") }
                try target.file.write(bytes)
                done += Int64(bytes.count)
                if done < size { piece = try daemon.call("file.get", params(from: done)) }
            }
            let path = try target.finish()
            progress.end()
            guard path != "-" else { return }
            globals.show(["path": .string(path), "size": .integer(size)]) { _ in Screen.line(path) }
        }

        private func params(from offset: Int64) -> JSONObject { ["id": .string(id.text), "offset": .integer(offset)] }
    }

    struct Drop: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove the bytes of a file, or stop sending it.",
            discussion: "What came inside a message goes with it; the message itself stays.")

        @Argument(help: ArgumentHelp("The id of its message.", valueName: "message")) var id: TextArgument
        @OptionGroup var globals: Globals

        func run() throws {
            let result = try globals.daemon().call("file.drop", ["id": .string(id.text)])
            globals.show(result) { Screen.line("\($0.text("id")) \($0.text("state"))") }
        }
    }

    /// How much it is, and how much of that is here.
    static func size(of file: JSON) -> String {
        guard let size = file["size"]?.integer else { return "" }
        guard let have = file["have"]?.integer, have < size else { return Words.size(size) }
        return "\(Words.size(have)) of \(Words.size(size))"
    }

    /// Where a file is written: under a name of its own, or under the one that it came with where that is free.
    private struct Target {
        let file: NewFile
        private let free: (directory: String, name: String)?

        init(_ path: String?, name: String) throws {
            let directory = path ?? "."
            var found = stat()
            guard path == nil || directory != "-" && stat(directory, &found) == 0 && found.st_mode & S_IFMT == S_IFDIR
            else {
                (file, free) = (try NewFile(directory), nil)
                return
            }
            let prefix = path == nil ? "" : directory.hasSuffix("/") ? directory : directory + "/"
            (file, free) = (try NewFile(prefix + name), (prefix, name))
        }

        func finish() throws -> String {
            guard let free else {
                try file.finish()
                return file.path
            }
            let dot = free.name.dropFirst().lastIndex(of: ".") ?? free.name.endIndex
            for number in 1...999 {
                let name = number == 1 ? free.name : "\(free.name[..<dot]) (\(number))\(free.name[dot...])"
                if try file.finish(asNew: free.directory + name) { return free.directory + name }
            }
            throw ToolFailure(.exists, "exists", "there are a thousand files named \(free.name)")
        }
    }
}
