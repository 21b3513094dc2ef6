import ArgumentParser
import Format
import Records

/// What a shell offers at the tabulator. Names come from a daemon that answers at once; without one there are none.
extension CompletionKind {
    /// Contacts and own identities.
    static let peer = asked {
        rows("contact.list", "contacts") + rows("identity.list", "identities") + rows("group.list", "groups")
    }
    static let group = asked { rows("group.list", "groups") }
    static let contact = asked { rows("contact.list", "contacts") }
    static let identity = asked { rows("identity.list", "identities") }
    static let requester = asked { rows("contact.requests", "requests") }
    static let consumer = asked { rows("inbox.consumers", "consumers") }
    static let message = asked { rows("message.list", "messages", word: { [$0.text("id")] }) }

    static let state = CompletionKind.list(DeliveryState.allCases.map(\.rawValue))
    static let eventKind = CompletionKind.list(EventRecord.Kind.allCases.map(\.rawValue))

    private static func asked(_ words: @escaping @Sendable () -> [String]) -> CompletionKind {
        .custom { _, _, _ in words() }
    }

    /// The name where there is one: bash takes an ID apart at its `@`. A stranger's name is but a claim.
    private static func name(of row: JSON) -> [String] {
        let name = row.text("name")
        return [name.isEmpty || row["first"] != nil ? row.text("did") : name]
    }

    private static func rows(
        _ method: String, _ member: String, word: (JSON) -> [String] = CompletionKind.name
    ) -> [String] {
        guard let globals = try? Globals.parse([]), let daemon = try? globals.daemon(patience: 0),
            let answer = try? daemon.client.call(method, [:], timeout: 2)
        else { return [] }
        return answer.list(member).flatMap(word).filter { !$0.isEmpty && $0 == $0.printable }
    }
}

/// The scripts that the parser writes, mended where they offer the wrong thing.
enum Completions {
    /// bash takes every offer for a file name where `filenames` is set, and makes `porch/` of the contact porch when
    /// there is a directory of that name. It is set for files and directories alone.
    static func mended(_ script: String) -> String {
        guard script.hasPrefix("#!/bin/bash") else { return script }
        let everywhere = "complete -o filenames -F"
        let lines = script.split(separator: "\n", omittingEmptySubsequences: false).flatMap { line -> [String] in
            if line.hasPrefix(everywhere) { return ["complete -F" + line.dropFirst(everywhere.count)] }
            guard line == "__culver_add_completions() {" else { return [String(line)] }
            return [String(line), "    case \"${1}\" in -f | -d) compopt -o filenames 2>/dev/null ;; esac"]
        }
        return lines.joined(separator: "\n")
    }
}
