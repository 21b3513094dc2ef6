import ArgumentParser
import CLinux
import Control
import Format
import Glibc
import Records
import Store
import System

struct BackUp: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Write all that this board is into one file, while it goes on.",
        discussion: """
              culver backup /media/stick/garden.tar
              culver backup - | ssh store 'cat > garden.tar'
              culver backup garden.tar --final     before the board is replaced

            The file is a tar archive: identities, contacts, messages, and what consumers have read. It holds the \
            private keys unencrypted; whoever reads it is this board.

            With --final the board retires: it takes and sends nothing from the beginning of the backup on, and never \
            again once it is complete. That is how a board moves to another machine: where the file is restored, it \
            goes on with everything that waited. A restored backup without --final is a second board with the same \
            keys, and one of the two will stand back.
            """)

    @Argument(help: "The file to write; - for standard output.", completion: .file()) var file: TextArgument
    @Flag(help: "Retire this board: its identities move into the backup.") var final = false
    @OptionGroup var place: Anywhere

    func run() throws {
        guard file.text != "-" || isatty(1) == 0 else {
            throw ToolFailure(.usage, "terminal", "a backup is not written to a terminal")
        }
        let output = try NewFile(file.text)
        let backend: any Backend = try place.state.map { try BackupFiles($0.text) } ?? place.globals.daemon()
        let progress = Progress("backing up", quiet: place.globals.json)
        defer { progress.end() }
        let begun = try backend.call("backup.begin", final ? ["final": true] : [:])
        let isFinal = begun.says("final")
        var bytes = try head(begun, isFinal, output)
        var page = begun
        while true {
            for item in page.list("files") { bytes += try copy(item, begun, backend, output) }
            guard let next = page["next"] else { break }
            page = try backend.call("backup.list", ["backup": .string(begun.text("backup")), "start": next])
        }
        try output.sync()
        try end(begun, isFinal, backend, output)
        do {
            // Without its end a backup is taken nowhere.
            try output.write(TarHeader.end)
            try output.finish()
        } catch var failure as ToolFailure where isFinal {
            failure.error.hint = "the board has retired: culver backup FILE writes its backup once more"
            throw failure
        }
        progress.end()
        tell(begun, isFinal, bytes + Int64(TarHeader.end.count))
    }

    /// What it is, before all else.
    private func head(_ begun: JSON, _ isFinal: Bool, _ output: NewFile) throws -> Int64 {
        guard var about = begun.object else { throw ControlError.unintelligible("no backup in it") }
        about["files"] = nil
        about["next"] = nil
        about["final"] = .bool(isFinal)
        about["note"] = "holds private keys unencrypted"
        let text = JSON.object(about).bytes + [UInt8(ascii: "\n")]
        return try write(
            TarHeader(name: Archive.about, size: Int64(text.count), mode: 0o600, time: time(begun)), output
        ) {
            try output.write(text)
        }
    }

    private func copy(_ item: JSON, _ begun: JSON, _ backend: any Backend, _ output: NewFile) throws -> Int64 {
        let name = item.text("name")
        let size = item.count("size")
        let mode = UInt32(clamping: item.count("mode"))
        return try write(TarHeader(name: name, size: size, mode: mode, time: time(begun)), output) {
            var done: Int64 = 0
            while done < size {
                let piece = try backend.call(
                    "backup.read",
                    ["backup": .string(begun.text("backup")), "name": .string(name), "offset": .integer(done)])
                guard let bytes = piece["data"]?.string.flatMap(Base64.decode), !bytes.isEmpty,
                    Int64(bytes.count) <= size - done
                else { throw ToolFailure(.io, "cut-off", "\(name) ended after \(done) of \(size) bytes") }
                try output.write(bytes)
                done += Int64(bytes.count)
            }
        }
    }

    /// Everything is written but the end of the archive, without which it is none.
    private func end(_ begun: JSON, _ isFinal: Bool, _ backend: any Backend, _ output: NewFile) throws {
        let params: JSONObject = ["backup": .string(begun.text("backup")), "complete": true]
        do {
            _ = try backend.call("backup.end", params)
        } catch  where isFinal && !(error is RPCError) && !(error is ToolFailure) {
            // Whether it has retired is not known: then it says so at its next start.
            throw ToolFailure(
                .io, "not-confirmed", "culverd did not confirm that it has retired",
                hint: "if it says so at its next start, culver backup FILE --state DIR writes the backup once more")
        }
    }

    private func write(_ header: TarHeader, _ output: NewFile, _ body: () throws -> Void) throws -> Int64 {
        guard let bytes = header.bytes else {
            throw ToolFailure(.badData, "long-name", "\(header.name) has no room in a tar archive")
        }
        try output.write(bytes)
        try body()
        try output.write(header.padding)
        return Int64(bytes.count) + header.size + Int64(header.padding.count)
    }

    private func time(_ begun: JSON) -> Int64 { Int64(wholeSeconds: begun["time"]?.seconds ?? 0) }

    private func tell(_ begun: JSON, _ isFinal: Bool, _ bytes: Int64) {
        let identities = begun.list("identities")
        if file.text != "-" {
            let result: JSON = [
                "file": .string(file.text), "bytes": .integer(bytes), "backup": .string(begun.text("backup")),
                "final": .bool(isFinal), "identities": .array(identities),
            ]
            place.globals.show(result) { _ in
                Screen.line("\(file.text): \(identities.compactMap(\.string).joined(separator: ", ")), \(bytes) bytes")
            }
        }
        Screen.complain("the backup holds the private keys unencrypted: keep it where nobody else can read it")
        if isFinal {
            Screen.complain(
                "this board has retired: it sends and takes nothing any more; culver restore goes on with it")
        }
    }
}

struct Restore: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make a state directory from a backup; no daemon may run there.",
        discussion: """
              culver restore garden.tar --state /var/lib/culver

            The directory is made when there is none, and else it must be empty. Queued messages are sent, and the inbox goes on where its consumers were. \
            A backup that was not made with --final may have a board that still runs with the same keys: end it first.
            """)

    @Argument(help: "The file; - for standard input.", completion: .file()) var file: TextArgument
    @OptionGroup var place: Anywhere

    func run() throws {
        guard let state = place.state?.text else {
            throw ToolFailure(
                .usage, "no-state", "where to?",
                hint: "--state DIR names an empty state directory, for a packaged culverd /var/lib/culver")
        }
        let archive = try Archive(Pieces(file.text))
        let isNew = access(state, F_OK) != 0
        let (directory, lock) = try opened(state)
        let restoration: Restoration
        do {
            restoration = try Restoration(into: directory, lock: lock)
        } catch {
            let isNamed = ![".", ".."].contains(bare(state).split(separator: "/").last ?? ".")
            let hint = error.kind == .exists && isNamed ? "move it away: mv \(bare(state)) \(bare(state)).old" : nil
            throw ToolFailure(RPCError(error), hint: hint)
        }
        let about: JSON
        do {
            about = try Progress.during("restoring", quiet: place.globals.json) {
                let about = try archive.unpack(into: restoration)
                let identities = about.list("identities").compactMap(\.string)
                try restoration.finish(identities: identities, time: KernelClock.realtime.now)
                return about
            }
        } catch {
            restoration.abandon()
            guard let refusal = error as? Refusal else { throw error }
            throw ToolFailure(RPCError(refusal))
        }
        tell(about)
        if isNew, geteuid() == 0, getpwnam("culver") != nil {
            Screen.hint(
                "\(bare(state)) is root's: chown -R culver:culver \(bare(state)) gives it to the packaged daemon")
        }
    }

    private func opened(_ state: String) throws -> (StateDirectory, DirectoryLock) {
        do {
            try makeAncestors(of: bare(state))
            return try FilesBackend.opened(state)
        } catch let error as FileError {
            throw ToolFailure(error)
        } catch var failure as ToolFailure where failure.error.reason == "locked" {
            failure.error.hint = "end the daemon first: systemctl stop culver culver.socket"
            throw failure
        }
    }

    /// Without the slashes at its end.
    private func bare(_ path: String) -> String {
        let end = path.lastIndex { $0 != "/" }
        return end.map { String(path[...$0]) } ?? path
    }

    private func tell(_ about: JSON) {
        place.globals.show(about) { about in
            for identity in about.list("identities") { Screen.line(identity.string ?? "") }
        }
        guard !about.says("final") else { return }
        Screen.complain(
            "the board that this backup is of may still run: two boards with the same keys stand back in turn")
        Screen.hint("end the other one for good before this one is started; culver backup --final does it by itself")
    }
}
