import Crypto
import Format
import System

/// Which installation this is, and on which board it was made: a card that was copied to another board shows.
package struct Installation: Sendable, Equatable {
    /// 16 random bytes, made with the state directory.
    package var nonce: [UInt8]
    /// SHA-256 of the board's serial number; empty when the board has none to tell.
    package var serial: [UInt8]
    /// The directory was made on another board.
    package var isForeign: Bool
    /// Of this board and this very file: another one after the directory was copied or came back from a backup, for no
    /// copy keeps the number of a file and the time of its last change. An image of the whole card does.
    package var mark: [UInt8] = []
}

extension StateDirectory {
    /// Reads `install.json`, or makes it when there is none or it is damaged: removed, it takes this board for the
    /// directory's own.
    package func installation(serial: [UInt8]? = boardSerial()) throws(FileError) -> Installation {
        let here = serial.map { Digest.sha256($0) } ?? []
        if let kept = try readInstallation() {
            let isForeign = !here.isEmpty && !kept.serial.isEmpty && here != kept.serial
            return try marked(Installation(nonce: kept.nonce, serial: kept.serial, isForeign: isForeign), here)
        }
        let made = Installation(nonce: try newNonce(), serial: here, isForeign: false)
        try write(made)
        return try marked(made, here)
    }

    private func marked(_ installation: Installation, _ here: [UInt8]) throws(FileError) -> Installation {
        var marked = installation
        do throws(Errno) {
            let file = try at(StatePath.install, status(of:))
            let words = "\(file.st_ino) \(file.st_ctim.tv_sec) \(file.st_ctim.tv_nsec) \(Hex.encode(here))"
            marked.mark = Array(Digest.sha256(Array(words.utf8)).prefix(8))
        } catch {
            throw error.error("read", StatePath.install)
        }
        return marked
    }

    private func readInstallation() throws(FileError) -> (nonce: [UInt8], serial: [UInt8])? {
        guard let json = try json(StatePath.install) else { return nil }
        let nonce = json["nonce"]?.string.flatMap { Hex.decode($0) }
        let serial = json["serial"]?.string.flatMap { Hex.decode($0) }
        guard let nonce, let serial, nonce.count == 16, serial.isEmpty || serial.count == 32 else {
            try setAside(StatePath.install, "no nonce of 16 bytes and serial of 32 in it")
            return nil
        }
        return (nonce, serial)
    }

    private func write(_ installation: Installation) throws(FileError) {
        let json: JSON = [
            "nonce": .string(Hex.encode(installation.nonce)), "serial": .string(Hex.encode(installation.serial)),
        ]
        try write(json.bytes + [UInt8(ascii: "\n")], to: StatePath.install)
    }

    private func newNonce() throws(FileError) -> [UInt8] {
        do throws(CryptoError) {
            return try Random.bytes(16)
        } catch {
            throw FileError("cannot write \(StatePath.install): \(error)")
        }
    }
}

/// What tells this board from others: the device tree's serial number, else the machine id.
package func boardSerial() -> [UInt8]? {
    for path in ["/proc/device-tree/serial-number", "/etc/machine-id"] {
        guard let file = try? Descriptor(path, flags: 0), let bytes = try? file.read(limit: 256) else { continue }
        let serial = bytes.filter { $0 > 0x20 }
        if !serial.isEmpty { return serial }
    }
    return nil
}
