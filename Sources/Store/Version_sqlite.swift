import CSQLite

/// The library below, as it was loaded.
package enum SQLite {
    package static var version: String { String(cString: sqlite3_libversion()) }
}
