package import Crypto
package import DIMP
import Glibc
import System

/// The bytes of files that go and come in pieces, as flat files below `StatePath.files`: `ID.data` is the ciphertext,
/// `ID.have` the pieces of it that are there, one bit each. Nothing holds more than a piece or a portion in memory.
///
/// A bit is written after what it stands for was synced, and in place: it never has to be taken back, so a power cut at any
/// moment leaves bits that are true.
///
/// `@unchecked Sendable`: made by one thread, then used by one queue alone.
package final class FileShelf: @unchecked Sendable {
    private let directory: StateDirectory
    /// Of files that come, with what is not synced yet.
    private var sets: [String: PieceSet] = [:]

    /// Bytes that are read, hashed or copied at a time.
    static let portion = 64 << 10
    /// Room that is left to messages on the disk, in bytes.
    private static let reserve: Int64 = 16 << 20

    package init(_ directory: StateDirectory) {
        self.directory = directory
    }

    static func data(of id: String) -> String { StatePath.file("\(id).data") }
    private static func have(of id: String) -> String { StatePath.file("\(id).have") }

    /// Everything of a file is gone; does nothing for one that is not there.
    package func remove(_ id: String) throws(FileError) {
        sets[id] = nil
        try directory.remove(Self.have(of: id))
        try directory.remove(Self.data(of: id))
    }

    package func exists(_ id: String) -> Bool { (try? directory.exists(Self.data(of: id))) == true }

    // MARK: - Coming

    /// Makes room for a file, or goes on with what is there of it: the pieces that are on disk. Throws when the disk has no
    /// room for the rest.
    package func prepare(_ offer: FileOffer) throws(FileError) -> PieceSet {
        try change(Self.data(of: offer.id), "make") { (file) throws(Errno) in
            let size = Int64(try file.status().st_size)
            if size < offer.sealedSize {
                guard try DiskSpace(at: directory.path).free >= offer.sealedSize + Self.reserve else {
                    throw Errno(ENOSPC)
                }
                guard ftruncate(file.number, off_t(offer.sealedSize)) == 0 else { throw .last }
            }
        }
        let bytes = try directory.read(Self.have(of: offer.id))
        let set = PieceSet(count: offer.count, bytes: bytes ?? [])
        // Its place in the directory is on disk before anything counts on it.
        if bytes == nil { try directory.write(set.bytes, to: Self.have(of: offer.id), mode: 0o600) }
        sets[offer.id] = set
        return set
    }

    /// Writes a piece that is what its sender made; it may be lost until `sync`. Throws a `Rejection` or a `FileError`.
    package func keep(_ payload: [UInt8], piece: Int, of transfer: FileTransfer) throws {
        let bytes = try transfer.pieces.opened(payload, number: piece)
        let offer = transfer.offer
        try change(Self.data(of: offer.id), "write") { (file) throws(Errno) in
            try file.write(bytes, at: offer.place(of: piece).offset)
        }
        sets[offer.id, default: PieceSet(count: offer.count)].insert(piece)
    }

    /// What was kept is on disk when this returns: all of it.
    package func sync(_ offer: FileOffer) throws(FileError) -> PieceSet {
        let set = sets[offer.id] ?? PieceSet(count: offer.count)
        try change(Self.data(of: offer.id), "sync") { (file) throws(Errno) in try file.sync() }
        try change(Self.have(of: offer.id), "write") { (file) throws(Errno) in
            try file.write(set.bytes, at: 0)
            try file.sync()
        }
        return set
    }

    /// Whether all of it together is what was announced. If not, none of it is there any more.
    package func check(_ offer: FileOffer) throws(FileError) -> Bool {
        let hash = SHA256()
        var size: Int64 = 0
        do {
            try read(offer) { bytes in
                hash.add(bytes)
                size += Int64(bytes.count)
            }
        } catch let error as FileError {
            throw error
        } catch {
            size = -1
        }
        if size == offer.size, hash.digest() == offer.digest { return true }
        sets[offer.id] = PieceSet(count: offer.count)
        try directory.remove(Self.have(of: offer.id))
        return false
    }

    /// The whole file in portions. Throws `FileError`, `CryptoError`, or what `body` throws.
    package func read(_ offer: FileOffer, _ body: ([UInt8]) throws -> Void) throws {
        var offset: Int64 = 0
        while offset < offer.size {
            let bytes = try bytes(of: offer, at: offset, limit: Self.portion)
            guard !bytes.isEmpty else { return }
            try body(bytes)
            offset += Int64(bytes.count)
        }
    }

    /// Part of the file itself, from `offset` on; empty behind its end. Throws `FileError` or `CryptoError`.
    package func bytes(of offer: FileOffer, at offset: Int64, limit: Int) throws -> [UInt8] {
        let rest = offer.size - offset
        guard rest > 0, offset >= 0 else { return [] }
        let block = Int64(AES.block)
        let first = offset / block * block
        let last = min((offset + min(rest, Int64(limit)) + block - 1) / block * block, offer.sealedSize)
        let before = max(0, first - block)
        let sealed = try ciphertext(of: offer.id, at: before, limit: Int(last - before))
        guard Int64(sealed.count) == last - before else {
            throw FileError("cannot read \(Self.data(of: offer.id)): it is cut off")
        }
        let iv = first == 0 ? offer.iv : Array(sealed.prefix(AES.block))
        let blocks = first == 0 ? sealed : Array(sealed.dropFirst(AES.block))
        let plain = try offer.key.withBytes { try AES.decryptPart(blocks, key: $0, iv: iv) }
        return Array(plain.dropFirst(Int(clamping: offset - first)).prefix(Int(min(rest, Int64(limit)))))
    }

    // MARK: - Going

    /// A piece as it is published.
    package func payload(of transfer: FileTransfer, piece: Int) throws(FileError) -> [UInt8] {
        let (offset, length) = transfer.offer.place(of: piece)
        let bytes = try ciphertext(of: transfer.offer.id, at: offset, limit: length)
        guard bytes.count == length else {
            throw FileError("cannot read \(Self.data(of: transfer.offer.id)): it is cut off")
        }
        return transfer.pieces.sealed(bytes, number: piece)
    }

    /// A file that a local program hands over, to be encrypted as it comes. What was there under this id is replaced.
    package func begin(_ id: String, key: SecretBytes, iv: [UInt8]) throws(FileError) -> FileSealing {
        try remove(id)
        try change(Self.data(of: id), "make") { (_) throws(Errno) in }
        return FileSealing(id, key: key, iv: iv)
    }

    package func add(_ bytes: [UInt8], to sealing: FileSealing) throws {
        let blocks = try sealing.seal(bytes)
        try change(Self.data(of: sealing.id), "write") { (file) throws(Errno) in
            try file.write(blocks, at: sealing.written)
        }
        sealing.written += Int64(blocks.count)
    }

    /// All of it is on disk when this returns: SHA-256 of the file itself.
    package func finish(_ sealing: FileSealing) throws -> [UInt8] {
        let blocks = try sealing.end()
        try change(Self.data(of: sealing.id), "write") { (file) throws(Errno) in
            try file.write(blocks, at: sealing.written)
            try file.sync()
        }
        return sealing.digest
    }

    // MARK: - Into the owner's directory

    /// The file under its name in a directory, or under one beside it where there is something already: whole or not at
    /// all. Returns its path. Throws `FileError` or `CryptoError`.
    package func deliver(_ transfer: FileTransfer, into directory: String) throws -> String {
        try deliver(into: directory, named: transfer.name, for: transfer.offer.id) { write in
            try read(transfer.offer, write)
        }
    }

    /// The same of bytes that came inside a message.
    package func deliver(_ bytes: [UInt8], named name: String, of message: String, into directory: String) throws
        -> String
    {
        try deliver(into: directory, named: name, for: message) { try $0(bytes) }
    }

    private func deliver(
        into directory: String, named name: String, for id: String, _ body: (([UInt8]) throws -> Void) throws -> Void
    ) throws -> String {
        let draft = "\(directory)/.\(id).part"
        do {
            unlink(draft)
            let file = try Descriptor(draft, flags: O_WRONLY | O_CREAT | O_EXCL, mode: 0o640)
            defer { unlink(draft) }
            try body { bytes in try file.write(bytes) }
            try file.sync()
            let path = try Self.place(draft, in: directory, named: name, for: id)
            try Descriptor(directory, flags: O_RDONLY | O_DIRECTORY).sync()
            return path
        } catch let error as Errno {
            throw error.error("write", "\(directory)/\(name)")
        }
    }

    /// Names are chosen by others: where there are too many files of one, or the file system does not take it, the file has
    /// that of its message, which is nobody else's.
    private static func place(
        _ draft: String, in directory: String, named name: String, for id: String
    ) throws(Errno) -> String {
        let dot = name.dropFirst().lastIndex(of: ".") ?? name.endIndex
        for number in 1...999 {
            let path = "\(directory)/\(number == 1 ? name : "\(name[..<dot]) (\(number))\(name[dot...])")"
            if link(draft, path) == 0 { return path }
            guard errno == EEXIST else { break }
        }
        let path = "\(directory)/\(id)"
        guard link(draft, path) == 0 || errno == EEXIST else { throw .last }
        return path
    }

    // MARK: - Files

    private func ciphertext(of id: String, at offset: Int64, limit: Int) throws(FileError) -> [UInt8] {
        let name = Self.data(of: id)
        do throws(Errno) {
            return try directory.at(name) { (path) throws(Errno) in
                try Descriptor(path, flags: O_RDONLY).read(at: offset, limit: limit)
            }
        } catch {
            throw error.error("read", name)
        }
    }

    /// Opens a file to be changed in place, making it when it is missing.
    private func change(
        _ name: String, _ operation: String, _ body: (Descriptor) throws(Errno) -> Void
    ) throws(FileError) {
        _ = try directory.full(name)
        do throws(Errno) {
            try directory.makeParents(of: name)
            try directory.at(name) { (path) throws(Errno) in
                let file = try Descriptor(path, flags: O_RDWR | O_CREAT, mode: 0o600)
                try directory.checkMayChange(file)
                try directory.giveAway(file)
                try body(file)
            }
        } catch {
            throw error.error(operation, name)
        }
    }
}

/// A file that is being encrypted, part after part.
///
/// `@unchecked Sendable`: used by the shelf's queue alone.
package final class FileSealing: @unchecked Sendable {
    package let id: String
    private let key: SecretBytes
    private var chain: [UInt8]
    private let hash = SHA256()
    /// Less than a block.
    private var rest: [UInt8] = []
    /// Bytes of ciphertext on disk.
    fileprivate(set) var written: Int64 = 0
    fileprivate lazy var digest = hash.digest()

    fileprivate init(_ id: String, key: SecretBytes, iv: [UInt8]) {
        (self.id, self.key, chain) = (id, key, iv)
    }

    fileprivate func seal(_ bytes: [UInt8]) throws(CryptoError) -> [UInt8] {
        hash.add(bytes)
        let all = rest + bytes
        let whole = all.count / AES.block * AES.block
        rest = Array(all[whole...])
        guard whole > 0 else { return [] }
        return try next(Array(all[..<whole]))
    }

    /// With PKCS#7.
    fileprivate func end() throws(CryptoError) -> [UInt8] {
        let padding = AES.block - rest.count
        return try next(rest + [UInt8](repeating: UInt8(padding), count: padding))
    }

    private func next(_ blocks: [UInt8]) throws(CryptoError) -> [UInt8] {
        let chain = chain
        let sealed = try key.withBytes { (key) throws(CryptoError) in
            try AES.encryptPart(blocks, key: key, iv: chain)
        }
        self.chain = Array(sealed.suffix(AES.block))
        return sealed
    }
}
