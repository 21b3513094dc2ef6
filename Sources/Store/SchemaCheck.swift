import Records

/// Whether the tables of a file are those that `Schema` makes, and which of its steps they have been through. The answer
/// is in the tables themselves: the version is one number that a flipped bit changes, and whoever makes a file to be
/// restored may put triggers into it.
struct SchemaCheck {
    /// A table, an index, a view or a trigger, with the words that it was made with.
    private struct Object: Hashable {
        var kind: String
        var name: String
        var words: String
    }

    private let version: Int64
    /// What the version should say; `nil` for an empty file and for one of a newer culver.
    private let rightVersion: Int64?
    private let foreign: [Object]

    /// `nil` when the tables are neither culver's nor absent. The file of a newer culver passes: it is for `Schema` to
    /// refuse it.
    init?(of database: Database, steps: [[String]] = Schema.steps) throws(LedgerError) {
        version = try database.first("PRAGMA user_version") { $0.integer(0) } ?? 0
        let found = try Self.objects(of: database)
        let known = try Self.generations(steps)
        let place = known.lastIndex { $0.isSubset(of: found) }
        if let place, version <= steps.count || known[place] == found {
            rightVersion = Int64(place + 1)
            foreign = found.subtracting(known[place]).filter { $0.kind != "table" }
        } else if version > steps.count || (version == 0 && found.isEmpty) {
            (rightVersion, foreign) = (nil, [])
        } else {
            return nil
        }
    }

    /// Takes out what is not culver's, but for tables, which nothing asks, and sets the version right. What was done, in
    /// words.
    func mend(_ database: Database) throws(LedgerError) -> [String] {
        var words: [String] = []
        for object in foreign {
            let name = object.name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"")
            try database.run("DROP \(object.kind) IF EXISTS \"\(name)\"")
            words.append("the \(object.kind) \(object.name.debugDescription.prefix(64)) was not culver's")
        }
        if let rightVersion, version != rightVersion {
            try database.run("PRAGMA user_version = \(rightVersion)")
            words.append("its version was \(version) and is \(rightVersion)")
        }
        return words
    }

    /// Anything that `Schema` does not make, be it a table.
    static func isForeign(_ database: Database) throws(LedgerError) -> Bool {
        try generations(Schema.steps).last != objects(of: database)
    }

    /// What a file holds after each of the steps.
    private static func generations(_ steps: [[String]]) throws(LedgerError) -> [Set<Object>] {
        let sample = try Database(path: ":memory:", name: "a sample")
        var generations: [Set<Object>] = []
        for step in steps {
            for statement in step { try sample.run(statement) }
            generations.append(try objects(of: sample))
        }
        return generations
    }

    /// SQLite's own tables, which it makes by itself, and the indexes of keys are no matter of the schema.
    private static func objects(of database: Database) throws(LedgerError) -> Set<Object> {
        let sql = """
            SELECT type, name, sql FROM sqlite_master
            WHERE type IN ('trigger', 'view') OR name NOT LIKE 'sqlite~_%' ESCAPE '~'
            """
        let found = try database.rows(sql) { row in
            Object(
                kind: row.text(0), name: row.text(1),
                words: row.text(2).split(whereSeparator: \.isWhitespace).joined(separator: " "))
        }
        return Set(found)
    }
}
