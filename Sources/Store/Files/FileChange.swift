/// A write to a flat file that a turn has decided on.
package enum FileChange: Sendable {
    case write([UInt8], to: String, mode: UInt32)
    case remove(String)
    /// A directory with everything in it.
    case removeAll(String)
}

extension StateDirectory {
    /// Written, synced and in place when this returns.
    package func perform(_ change: FileChange) throws(FileError) {
        switch change {
        case .write(let bytes, let name, let mode): try write(bytes, to: name, mode: mode)
        case .remove(let name): try remove(name)
        case .removeAll(let name): try removeAll(name)
        }
    }
}
