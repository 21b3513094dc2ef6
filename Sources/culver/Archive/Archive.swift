import Control
import Format
import Records
import Store

/// A backup as a file: `backup.json`, then the files of a state directory. Read once, from its beginning.
struct Archive {
    static let about = "backup.json"

    private let pieces: Pieces

    init(_ pieces: Pieces) {
        self.pieces = pieces
    }

    /// Hands everything to `restoration`, and says what `backup.json` does. Throws `Refusal` for what is no backup.
    func unpack(into restoration: Restoration) throws -> JSON {
        guard let first = try header(), first.name == Self.about, first.size <= 1 << 20 else {
            throw bad("it does not begin with \(Self.about)")
        }
        let about: JSON
        do {
            about = try JSON(parsing: try bytes(Int(clamping: first.size)))
        } catch let error as JSONError {
            throw bad("\(Self.about): \(error)")
        }
        try skip(first.padding.count)
        while let header = try header() {
            try restoration.begin(header.name, size: header.size)
            var left = header.size
            while left > 0 {
                let piece = try bytes(Int(clamping: min(left, 1 << 16)))
                try restoration.write(piece)
                left -= Int64(piece.count)
            }
            try skip(header.padding.count)
        }
        // The second block of the end: one alone may be a hole in a damaged file.
        guard try bytes(TarHeader.block).allSatisfy({ $0 == 0 }) else { throw bad("something follows its end") }
        return about
    }

    /// `nil` at the end.
    private func header() throws -> TarHeader? {
        let block = try bytes(TarHeader.block)
        do throws(TarHeader.Fault) {
            return try TarHeader(block)
        } catch {
            switch error {
            case .end: return nil
            case .damaged(let words): throw bad(words)
            }
        }
    }

    private func skip(_ count: Int) throws { _ = try bytes(count) }

    private func bytes(_ count: Int) throws -> [UInt8] {
        let bytes = try pieces.next(count)
        guard bytes.count == count else { throw bad("it is cut off") }
        return bytes
    }

    private func bad(_ words: String) -> Refusal {
        Refusal(.badData, "bad-backup", "the backup is not taken: \(words)")
    }
}
