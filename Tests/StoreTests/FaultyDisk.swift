import FaultyDisk
import Testing

/// The disk below one directory, as SQLite sees it: sound until it is told to fail. One thread at a time; what is open
/// on it must be closed before it goes.
final class Disk {
    enum Fault: Int32, CaseIterable {
        case full, short, error, cut
    }

    enum Calls: Int32 {
        case changes, reads
    }

    private let handle: OpaquePointer

    init(_ scratch: Scratch) throws {
        handle = try #require(faulty_disk_make(scratch.directory))
    }

    deinit {
        faulty_disk_free(handle)
    }

    /// The `nth` call from now on fails, and those after it, `length` in all.
    func fail(_ fault: Fault, _ calls: Calls = .changes, nth: Int, length: Int = 1) {
        faulty_disk_fail(handle, fault.rawValue, calls.rawValue, nth, length)
    }

    /// No call fails; counts from 0 again.
    func heal(_ calls: Calls = .changes) {
        faulty_disk_fail(handle, 0, calls.rawValue, 0, 0)
    }

    /// The calls since the last `fail` or `heal`.
    var count: Int { faulty_disk_count(handle) }

    /// Leaves the files as a power cut would: without what was not synced (0), with all of it (1), or with some.
    func settle(_ chance: Int) {
        faulty_disk_settle(handle, UInt32(chance))
    }
}
