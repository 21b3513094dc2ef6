/// What the methods of each family need, and what they do with it.
@MainActor struct Methods {
    let general: GeneralMethods
    let identities: IdentityMethods
    let contacts: ContactMethods
    let presence: PresenceMethods
    let groups: GroupMethods
    let messages: MessageMethods
    let files: FileMethods
    let inbox: InboxMethods
    let events: EventMethods
    let calls: CallMethods
    let pipes: PipeMethods
    let doctor: DoctorMethods
    let backup: BackupMethods
}

/// Every method that there is (culver-protocol(7)): name, role, parameters, handler.
extension Method {
    static let all: [Method] = [
        .direct("hello", .anyone) { methods, _ in methods.general.hello },
        .direct("rpc.discover", .anyone) { methods, _ in methods.general.description },
        .direct("status", .reader) { methods, _ in try methods.general.status() },
        .direct("metrics", .reader) { methods, _ in try methods.general.metrics() },

        .later("identity.create", .admin, ["name", "type", "key", "bits", "era", "ensure"]) {
            try $0.identities.create($1, in: &$2)
        },
        .direct("identity.list", .reader) { methods, _ in methods.identities.list() },
        .direct("identity.show", .reader, ["did"]) { try $0.identities.show($1) },
        .later("identity.default", .admin, ["did"]) { try $0.identities.makeDefault($1, in: &$2) },
        .later("identity.export", .admin, ["did"]) { try $0.identities.export($1, in: &$2) },
        .later("identity.import", .admin, ["identity"]) { try $0.identities.takeOver($1, in: &$2) },
        .later("identity.rotate", .admin, ["did"]) { try $0.identities.rotate($1, in: &$2) },
        .later("identity.remove", .admin, ["did"]) { try $0.identities.remove($1, in: &$2) },

        .plain("contact.add", .sender, ["did", "card", "name"]) { try $0.contacts.add($1, in: &$2) },
        .direct("contact.list", .reader, ["start", "limit"]) { try $0.contacts.list($1) },
        .direct("contact.show", .reader, ["did"]) { try $0.contacts.show($1) },
        .direct("contact.rename", .admin, ["did", "name"]) { try $0.contacts.rename($1) },
        .plain("contact.block", .admin, ["did"]) { try $0.contacts.block($1, in: &$2) },
        .plain("contact.unblock", .admin, ["did"]) { try $0.contacts.unblock($1, in: &$2) },
        .plain("contact.mute", .admin, ["did"]) { try $0.contacts.mute($1, true, in: &$2) },
        .plain("contact.unmute", .admin, ["did"]) { try $0.contacts.mute($1, false, in: &$2) },
        .plain("contact.remove", .admin, ["did"]) { try $0.contacts.remove($1, in: &$2) },
        .direct("contact.requests", .reader, ["start", "limit"]) { try $0.contacts.requests($1) },
        .plain("contact.accept", .sender, ["did", "name"]) { try $0.contacts.accept($1, in: &$2) },
        .plain("contact.refuse", .admin, ["did"]) { try $0.contacts.refuse($1, in: &$2) },

        .plain("presence.get", .reader, ["did", "start", "limit"]) { try $0.presence.get($1, in: &$2) },
        .later("group.create", .admin, ["name", "members", "from"]) { try $0.groups.create($1, in: &$2) },
        .direct("group.list", .reader) { methods, _ in methods.groups.list() },
        .direct("group.show", .reader, ["group"]) { try $0.groups.show($1) },
        .later("group.invite", .admin, ["group", "members", "from"]) { try $0.groups.change(.invite, $1, in: &$2) },
        .later("group.expel", .admin, ["group", "members", "from"]) { try $0.groups.change(.expel, $1, in: &$2) },
        .later("group.join", .admin, ["group", "from"]) { try $0.groups.change(.join, $1, in: &$2) },
        .later("group.quit", .admin, ["group", "from"]) { try $0.groups.change(.quit, $1, in: &$2) },
        .later("group.query", .sender, ["group", "from"]) { try $0.groups.query($1, in: &$2) },
        .later("group.hire", .admin, ["group", "members", "from"]) { try $0.groups.change(.hire, $1, in: &$2) },
        .later("group.fire", .admin, ["group", "members", "from"]) { try $0.groups.change(.fire, $1, in: &$2) },
        .later("group.resign", .admin, ["group", "from"]) { try $0.groups.change(.resign, $1, in: &$2) },
        .later("group.reset", .admin, ["group", "members", "from"]) { try $0.groups.change(.reset, $1, in: &$2) },
        .plain("group.forget", .admin, ["group"]) { try $0.groups.forget($1, in: &$2) },

        .later(
            "message.send", .sender,
            [
                "to", "from", "text", "data", "content", "subject", "expiry", "ref", "receipt", "priority", "messages",
            ]
        ) {
            try $0.messages.send($1, in: &$2)
        },
        .direct("message.show", .reader, ["id"]) { try $0.messages.show($1) },
        .direct("message.list", .reader, ["state", "start", "limit"]) { try $0.messages.list($1) },
        .later("message.wait", .reader, ["id", "until", "timeout"]) { try $0.messages.wait($1, in: &$2) },
        .later("message.cancel", .sender, ["id"]) { try $0.messages.cancel($1, in: &$2) },
        .later("message.pack", .sender, ["from", "to", "text", "data", "content", "subject", "attach"]) {
            try $0.messages.pack($1, in: &$2)
        },
        .later("message.open", .sender, ["message"]) { try $0.messages.open($1, in: &$2) },

        .plain(
            "file.offer", .sender,
            [
                "to", "name", "size", "type", "text", "thumbnail", "subject", "from", "expiry", "ref", "receipt",
                "priority",
            ]
        ) {
            try $0.files.offer($1, in: &$2)
        },
        .later("file.put", .sender, ["file", "offset", "data"]) { try $0.files.put($1, in: &$2) },
        .direct("file.list", .reader, ["start", "limit"]) { try $0.files.list($1) },
        .direct("file.show", .reader, ["id"]) { try $0.files.show($1) },
        .later("file.get", .reader, ["id", "offset"]) { try $0.files.get($1, in: &$2) },
        .plain("file.drop", .sender, ["id"]) { try $0.files.drop($1, in: &$2) },

        .direct("inbox.list", .reader, ["start", "limit", "sender", "receiver", "group", "type", "subject"]) {
            try $0.inbox.list($1)
        },
        .plain("inbox.subscribe", .reader, ["consumer", "start", "filter", "window", "limit"]) {
            try $0.inbox.subscribe($1, in: &$2)
        },
        .plain("inbox.ack", .reader, ["consumer", "seq"]) { try $0.inbox.acknowledge($1, in: &$2) },
        .plain("inbox.fail", .reader, ["consumer", "seq", "tries"]) { try $0.inbox.fail($1, in: &$2) },
        .plain("inbox.seek", .reader, ["consumer", "seq"]) { try $0.inbox.seek($1, in: &$2) },
        .plain("inbox.forget", .reader, ["consumer"]) { try $0.inbox.forget($1, in: &$2) },
        .direct("inbox.consumers", .reader) { methods, _ in try methods.inbox.listConsumers() },

        .direct("event.list", .reader, ["start", "limit", "since", "kind", "did"]) { try $0.events.list($1) },
        .plain("event.subscribe", .reader, ["kinds", "start"]) { try $0.events.subscribe($1, in: &$2) },

        .later("call.send", .sender, ["to", "from", "command", "args", "input", "timeout", "call"]) {
            try $0.calls.send($1, in: &$2)
        },
        .plain("call.serve", .sender, ["command", "allow", "args", "timeout"]) { try $0.calls.serve($1, in: &$2) },
        .plain("call.reply", .sender, ["call", "sender", "status", "output", "error", "final"]) {
            try $0.calls.reply($1, in: &$2)
        },
        .plain("call.switch", .admin, ["on"]) { try $0.calls.turnSwitch($1, in: &$2) },

        .plain("pipe.open", .sender, ["to", "from", "name", "pipe"]) { try $0.pipes.open($1, in: &$2) },
        .later("pipe.write", .sender, ["pipe", "n", "data"]) { try $0.pipes.write($1, in: &$2) },
        .plain("pipe.ack", .sender, ["pipe", "n"]) { try $0.pipes.acknowledge($1, in: &$2) },
        .later("pipe.close", .sender, ["pipe", "n", "error"]) { try $0.pipes.close($1, in: &$2) },

        // A reader is told what can be known by reading; the probes write to the brokers, and `fix` changes files.
        .later("doctor", .reader, ["fix"]) { try $0.doctor.consult($1, in: &$2) },

        .later("backup.begin", .admin, ["final"]) { try $0.backup.begin($1, in: &$2) },
        .direct("backup.list", .admin, ["backup", "start"]) { try $0.backup.list($1) },
        .later("backup.read", .admin, ["backup", "name", "offset"]) { try $0.backup.read($1, in: &$2) },
        .later("backup.end", .admin, ["backup", "complete"]) { try $0.backup.end($1, in: &$2) },
    ]

    static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })
}
