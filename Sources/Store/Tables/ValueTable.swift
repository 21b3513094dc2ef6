import Records

/// Small named values: table `named`.
struct ValueTable {
    private let database: Database

    init(_ database: Database) {
        self.database = database
    }

    func value(_ key: LedgerKey) throws(LedgerError) -> String? {
        try database.first("SELECT value FROM named WHERE key = ?", [.text(key.text)]) { $0.text(0) }
    }

    /// In the order of their texts. A name that this version does not know is left out.
    func values(_ family: LedgerKey.Family) throws(LedgerError) -> [(key: LedgerKey, value: String)] {
        let found = try database.rows(
            "SELECT key, value FROM named WHERE key >= ? AND key < ? ORDER BY key",
            [.text(family.prefix), .text(family.prefix + "\u{10FFFF}")], { ($0.text(0), $0.text(1)) })
        return found.compactMap { text, value in LedgerKey(text).map { ($0, value) } }
    }

    /// `nil` removes the value.
    func put(_ value: String?, for key: LedgerKey) throws(LedgerError) {
        guard let value else {
            return try database.run("DELETE FROM named WHERE key = ?", [.text(key.text)])
        }
        try database.run("INSERT OR REPLACE INTO named (key, value) VALUES (?, ?)", [.text(key.text), .text(value)])
    }

    func forget(_ family: LedgerKey.Family) throws(LedgerError) {
        try database.run(
            "DELETE FROM named WHERE key >= ? AND key < ?",
            [.text(family.prefix), .text(family.prefix + "\u{10FFFF}")])
    }
}
