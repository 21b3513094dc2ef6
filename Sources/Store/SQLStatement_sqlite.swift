import CSQLite
import DIMP
import Glibc
import Records

/// A prepared statement. Bind, step, reset: `Database` does all three, in this order.
final class SQLStatement {
    private let handle: OpaquePointer
    private let parsed: ParsedIDs
    /// What the system said during the last step. SQLite does not keep it when a commit fails.
    private(set) var cause: Int32 = 0

    /// Takes over `handle`, which is finalized with the statement.
    init(owning handle: OpaquePointer, _ parsed: ParsedIDs) {
        self.handle = handle
        self.parsed = parsed
    }

    deinit {
        sqlite3_finalize(handle)
    }

    /// SQLite's code: 0, or why a value was not taken.
    func bind(_ values: [SQLValue]) -> Int32 {
        for (index, value) in values.enumerated() {
            let code = bind(value, at: Int32(index + 1))
            guard code == SQLITE_OK else { return code }
        }
        return SQLITE_OK
    }

    /// `SQLITE_ROW`, `SQLITE_DONE`, or the failure.
    func step() -> Int32 {
        errno = 0
        let code = sqlite3_step(handle)
        cause = errno
        return code
    }

    func takeSteps() -> Int { Int(sqlite3_stmt_status(handle, SQLITE_STMTSTATUS_VM_STEP, 1)) }

    func reset() {
        sqlite3_reset(handle)
        sqlite3_clear_bindings(handle)
    }

    private func bind(_ value: SQLValue, at index: Int32) -> Int32 {
        switch value {
        case .null: return sqlite3_bind_null(handle, index)
        case .integer(let integer): return sqlite3_bind_int64(handle, index, integer)
        case .real(let real): return sqlite3_bind_double(handle, index, real)
        case .text(var text):
            return text.withUTF8 { bytes in
                bytes.withMemoryRebound(to: CChar.self) { characters in
                    guard let length = Int32(exactly: characters.count) else { return SQLITE_TOOBIG }
                    return culver_bind_text(handle, index, characters.baseAddress, length)
                }
            }
        case .blob(let blob):
            return blob.withUnsafeBytes { bytes in
                guard let length = Int32(exactly: bytes.count) else { return SQLITE_TOOBIG }
                return culver_bind_blob(handle, index, bytes.baseAddress, length)
            }
        }
    }
}

/// The columns of the row that a statement stands on; of no use outside the closure that it is given to.
extension SQLStatement {
    func isNull(_ column: Int32) -> Bool {
        sqlite3_column_type(handle, column) == SQLITE_NULL
    }

    func integer(_ column: Int32) -> Int64 {
        sqlite3_column_int64(handle, column)
    }

    func int(_ column: Int32) -> Int {
        Int(clamping: integer(column))
    }

    /// A number of things, or of a row: whatever stands there, not below 0 and no more than JSON can say exactly.
    func count(_ column: Int32) -> Int64 {
        min(max(integer(column), 0), Database.greatestNumber)
    }

    func flag(_ column: Int32) -> Bool {
        integer(column) != 0
    }

    /// 0 for an infinite one, too: JSON has no word for it.
    func real(_ column: Int32) -> Double {
        let value = sqlite3_column_double(handle, column)
        return value.isFinite ? value : 0
    }

    func text(_ column: Int32) -> String {
        guard let start = sqlite3_column_text(handle, column) else { return "" }
        let count = Int(sqlite3_column_bytes(handle, column))
        return String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    }

    func blob(_ column: Int32) -> [UInt8] {
        guard let start = sqlite3_column_blob(handle, column) else { return [] }
        let count = Int(sqlite3_column_bytes(handle, column))
        return [UInt8](UnsafeRawBufferPointer(start: start, count: count))
    }

    /// Throws for a text that is no ID: the row is damaged.
    func id(_ column: Int32) throws(LedgerError) -> ID {
        guard let id = parsed.id(bytes(column)) else { throw damage(column, "ID") }
        return id
    }

    func address(_ column: Int32) throws(LedgerError) -> Address {
        guard let address = parsed.address(Array(bytes(column))) else { throw damage(column, "address") }
        return address
    }

    func optionalID(_ column: Int32) throws(LedgerError) -> ID? {
        isNull(column) ? nil : try id(column)
    }

    /// `nil` for a text that is no ID, too.
    func readableID(_ column: Int32) -> ID? {
        isNull(column) ? nil : parsed.id(bytes(column))
    }

    func isID(_ column: Int32) -> Bool { parsed.id(bytes(column)) != nil }
    func isAddress(_ column: Int32) -> Bool { parsed.address(Array(bytes(column))) != nil }

    /// Good until the next step.
    private func bytes(_ column: Int32) -> UnsafeBufferPointer<UInt8> {
        guard let start = sqlite3_column_text(handle, column) else { return UnsafeBufferPointer(start: nil, count: 0) }
        return UnsafeBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, column)))
    }

    func damage(_ column: Int32, _ kind: String) -> LedgerError {
        let name = sqlite3_column_name(handle, column).map { String(cString: $0) } ?? "?"
        return LedgerError("cannot read \(parsed.file): the \(name) of a row is no \(kind)", isDamage: true)
    }

    func optionalInteger(_ column: Int32) -> Int64? {
        isNull(column) ? nil : integer(column)
    }

    func optionalCount(_ column: Int32) -> Int64? {
        isNull(column) ? nil : count(column)
    }

    func optionalReal(_ column: Int32) -> Double? {
        isNull(column) ? nil : real(column)
    }

    func optionalText(_ column: Int32) -> String? {
        isNull(column) ? nil : text(column)
    }

    func optionalBlob(_ column: Int32) -> [UInt8]? {
        isNull(column) ? nil : blob(column)
    }
}
