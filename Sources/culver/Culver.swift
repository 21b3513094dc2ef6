import ArgumentParser
import Control

/// The tree of verbs; each group has its file under Verbs.
struct Culver: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "culver",
        abstract: "Encrypted, signed messages between boards, through any MQTT broker.",
        discussion: """
            Without a verb it shows the status. Wherever an ID is asked for, a name does as well. Text that begins with \
            a dash and no digit stands after --.
            """,
        version: Release.version,
        subcommands: [
            Identities.self, Contacts.self, Send.self, Inbox.self, Consumers.self, Messages.self, Watch.self, Log.self,
            Pack.self, Open.self, Status.self, BackUp.self, Restore.self,
        ],
        defaultSubcommand: Status.self)
}
