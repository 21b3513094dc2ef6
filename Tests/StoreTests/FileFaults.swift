import FaultyDisk
import Foundation

/// Makes the `nth` call that changes a file fail, and knows what a power cut would undo: content that was not synced,
/// and names in directories that were not. One thread.
final class FileFaults {
    enum Fault {
        case full, short, error, cut
    }

    private let fault: Fault?
    private let nth: Int
    private(set) var count = 0
    private(set) var hasStruck = false
    /// Files whose content is not synced.
    private var unsynced: Set<String> = []
    /// What brings back the names that a directory had at its last sync, by directory; the last one first.
    private var undoing: [String: [() throws -> Void]] = [:]
    /// The rest of a write that was cut short finds no room.
    private var isShort = false
    private var isCut = false

    init(_ fault: Fault? = nil, nth: Int = 0) {
        self.fault = fault
        self.nth = nth
    }

    /// Runs `body` with its calls watched.
    func watch<E: Error>(_ body: () throws(E) -> Void) throws(E) {
        faulty_calls_watch(
            { context, call, path, target, length in
                guard let context, let path else { return 0 }
                let faults = Unmanaged<FileFaults>.fromOpaque(context).takeUnretainedValue()
                return faults.meet(call, String(cString: path), target.map { String(cString: $0) }, length)
            }, Unmanaged.passUnretained(self).toOpaque())
        defer { faulty_calls_watch(nil, nil) }
        try body()
    }

    /// Leaves the files as the power cut does: torn where they were not synced, with the names of the last sync.
    func settle() throws {
        for path in unsynced {
            guard let file = FileHandle(forUpdatingAtPath: path) else { continue }
            try file.truncate(atOffset: file.seekToEnd() / 2)
            try file.close()
        }
        for undo in undoing.values.flatMap({ $0.reversed() }) { try undo() }
        undoing = [:]
    }

    private func meet(
        _ call: faulty_call, _ path: String, _ target: String?, _ length: UnsafeMutablePointer<Int>?
    ) -> Int32 {
        if isCut { return EIO }
        count += 1
        if isShort {
            isShort = false
            return ENOSPC
        }
        guard count == nth, let fault else {
            remember(call, path, target)
            return 0
        }
        hasStruck = true
        switch fault {
        case .full: return ENOSPC
        case .error: return EIO
        case .cut:
            isCut = true
            return EIO
        case .short:
            guard let length else { return ENOSPC }
            length.pointee /= 2
            isShort = true
            return 0
        }
    }

    private func remember(_ call: faulty_call, _ path: String, _ target: String?) {
        let directory = (path as NSString).deletingLastPathComponent
        switch call {
        case FAULTY_CALL_WRITE: unsynced.insert(path)
        case FAULTY_CALL_SYNC:
            unsynced.remove(path)
            undoing[path] = nil
        case FAULTY_CALL_RENAME:
            guard let target else { return }
            if unsynced.remove(path) != nil { unsynced.insert(target) }
            restore(target, in: directory)
        case FAULTY_CALL_REMOVE:
            if FileManager.default.fileExists(atPath: path) { restore(path, in: directory) }
        case FAULTY_CALL_MAKE:
            guard !FileManager.default.fileExists(atPath: path) else { return }
            undoing[directory, default: []].append { try FileManager.default.removeItem(atPath: path) }
        default: break
        }
    }

    /// As it is now: a file with its content, or nothing.
    private func restore(_ path: String, in directory: String) {
        let content = FileManager.default.contents(atPath: path)
        undoing[directory, default: []].append {
            if FileManager.default.fileExists(atPath: path) { try FileManager.default.removeItem(atPath: path) }
            guard let content else { return }
            try FileManager.default.createDirectory(
                atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
            try content.write(to: URL(fileURLWithPath: path))
        }
    }
}
