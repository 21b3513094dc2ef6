import ArgumentParser
import Control

/// The tree of verbs; each group has its file under Verbs.
struct Culver: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "culver",
        abstract: "Encrypted, signed messages between boards, through any MQTT broker.",
        discussion: """
            Without a verb it shows the status. It talks to the daemon, culverd; with --state DIR the verbs that know it \
            work on the files instead.

              culver id list                     who this board is
              culver contact add ID --name hub   know another one
              culver send hub 'hello'            send to it
              culver inbox                       what came

            ID, TO: garden@1HufnkADajevJUWAXNFTbHxNxFHQC7hnpx, or a name that this board gave to a contact or an identity.
            NAME: 1 to 64 letters, digits, points, dashes and underscores.
            MESSAGE: what `culver send` printed. TIME: 60s, 5m, 12h, 7d.

            At a terminal lists have headings, ages and colours (none with NO_COLOR), and names where IDs have no room; in \
            a pipe they have full IDs and times, and --json has one object per line.

            Results stand on standard output, words on standard error. The status tells scripts how it ended: 0 well; 64 \
            wrong usage; 65 bad data, a refused message or a mistyped ID; 66 no such file or message; 67 unknown name, \
            contact or identity; 69 no daemon; 73 exists already; 74 reading or writing failed; 75 not now, try again \
            later; 76 ended undelivered; 77 not permitted; 78 wrong configuration.
            """,
        version: Release.version,
        subcommands: [
            Identities.self, Contacts.self, GroupVerbs.self, Send.self, Ping.self, PresenceVerb.self, Inbox.self,
            ConsumerVerbs.self, Messages.self, FileVerbs.self, CallVerb.self, PipeVerb.self, Top.self, WatchVerb.self,
            LogVerb.self,
            Pack.self, Open.self, Status.self, Doctor.self, Metrics.self, BrokerVerbs.self, BackUp.self, Restore.self,
            SelftestVerb.self,
        ],
        defaultSubcommand: Status.self)
}
