import Agent
import Control
import DIMP
import Records
import Store
import System

/// Everything that an operator wants to watch, as one text. Counters begin at 0 with each start, which Prometheus
/// understands; those of peers are the store's, which outlive it. Nothing is written for them.
@MainActor struct MetricsReport {
    let loop: Loop
    let pool: Pool
    let brokers: Brokers
    let configured: ConfiguredBrokers
    let consumers: Consumers
    let socket: ServerSocket
    let backups: Backups
    let damages: DamageWatch
    let bridges: BridgeLinks
    /// In seconds since the boot of the board.
    let started: Double

    private var store: MessageStore { loop.store }
    private var facebook: Facebook { loop.book.facebook }

    /// `process`: what the names of the process's own figures begin with. A textfile has another beginning than the socket,
    /// because the node_exporter that reads it has figures of its own under the usual names, and leaves out a second set.
    func text(process: String = "process") throws -> String {
        var out = Exposition()
        measureOutgoing(&out)
        measureIncoming(&out)
        measureDoubts(&out)
        try measureStore(&out)
        try measurePeers(&out)
        measureBrokers(&out)
        measureBridges(&out)
        measureLoop(&out)
        measureProcess(&out, named: process)
        return out.text
    }

    private func measureOutgoing(_ out: inout Exposition) {
        let counts = loop.messenger.counts
        out.begin(
            "culver_messages_total", .counter,
            "Outgoing messages by what became of them: accepted is on disk, delivered has a verified receipt.")
        out.sample(counts.accepted, ["event": "accepted"])
        out.sample(counts.sealed, ["event": "sealed"])
        out.sample(counts.published, ["event": "published"])
        out.sample(counts.delivered, ["event": "delivered"])
        out.sample(counts.expired, ["event": "expired"])
        out.sample(counts.failed, ["event": "failed"])
        out.sample(counts.cancelled, ["event": "cancelled"])
        out.counter("culver_repeats_total", counts.repeats, "Messages sent once more because no receipt came.")
        out.counter("culver_outbox_full_total", counts.outboxFull, "Messages not accepted: the outbox was full.")
        out.counter(
            "culver_unaccepted_total", counts.unaccepted, "Messages not accepted for another reason than a full outbox."
        )
        out.counter(
            "culver_receipts_verified_total", counts.receiptsVerified, "Signed receipts taken for our messages.")
        out.counter(
            "culver_acknowledgements_verified_total", counts.acknowledgementsVerified,
            "Messages of ours that an acknowledgement closed.")
    }

    private func measureIncoming(_ out: inout Exposition) {
        let counts = loop.messenger.counts
        out.begin("culver_received_total", .counter, "Messages that passed all checks: new ones, and repeats.")
        out.sample(counts.received, ["kind": "new"])
        out.sample(counts.duplicates, ["kind": "duplicate"])
        out.counter("culver_receipts_sent_total", counts.receiptsSent, "Signed receipts sent, repeated ones too.")
        out.counter(
            "culver_acknowledgements_sent_total", counts.acknowledgementsSent,
            "Messages acknowledged without a private key.")
        out.counter(
            "culver_inbox_full_total", counts.inboxFull,
            "Messages not taken because the inbox was full; their senders keep them.")
        out.begin("culver_refused_total", .counter, "Messages refused, by the check that they did not pass.")
        for stage in Rejection.Stage.allCases {
            out.sample(counts.rejected[stage] ?? 0, ["stage": stage.rawValue])
        }
        out.begin("culver_dropped_total", .counter, "Dropped without a word; who sent it sends it again.")
        out.sample(counts.overPublicBudget, ["reason": "public-key-budget"])
        out.sample(counts.overPrivateBudget, ["reason": "private-key-budget"])
        out.sample(counts.overBusy, ["reason": "busy"])
        out.sample(counts.courtesiesDropped, ["reason": "no-room-on-broker"])
        out.sample(counts.lookupsDropped, ["reason": "too-many-lookups"])
        out.sample(configured.names.reduce(0) { $0 + (brokers[$1]?.traffic.tooLong ?? 0) }, ["reason": "too-large"])
        let parking = store.parking
        out.begin("culver_parked_total", .counter, "Messages parked: unverified wait for a meta, verified for you.")
        out.sample(parking.unverified, ["kind": "unverified"])
        out.sample(parking.verified, ["kind": "verified"])
        out.begin("culver_parked_dropped_total", .counter, "Parked messages dropped, for the limits or for their age.")
        out.sample(parking.droppedForRoom, ["reason": "room"])
        out.sample(parking.droppedForAge, ["reason": "age"])
        out.counter("culver_requests_refused_total", counts.requestsRefused, "Requests of strangers that were refused.")
    }

    private func measureDoubts(_ out: inout Exposition) {
        let counts = loop.messenger.counts
        out.counter("culver_gaps_total", counts.gaps, "Holes in the numbers of peers that nobody filled in time.")
        out.begin(
            "culver_clones_total", .counter, "Signs of copied keys: same-number of a peer's, other-board of ours.")
        out.sample(counts.sameNumbers, ["kind": "same-number"])
        out.sample(counts.otherBoards, ["kind": "other-board"])
        out.counter(
            "culver_visas_rolled_back_total", counts.visasRolledBack, "Older visas of peers that a broker showed.")
        out.counter("culver_cards_put_back_total", counts.cardsPutBack, "Own retained cards that somebody had changed.")
        out.begin("culver_events_total", .counter, "Events by kind; culver log shows them.")
        let events = store.eventCounts
        for kind in EventRecord.Kind.allCases { out.sample(events[kind] ?? 0, ["kind": kind.rawValue]) }
        out.begin(
            "culver_private_key_operations_total", .counter, "Private-key work for messages, receipts and answers.")
        out.sample(counts.signatures, ["kind": "sign", "for": "own"])
        out.sample(counts.decryptionsOfContacts, ["kind": "decrypt", "for": "contact"])
        out.sample(counts.decryptionsOfStrangers, ["kind": "decrypt", "for": "stranger"])
        out.gauge("culver_standing_back", loop.messenger.olderBoard == nil ? 0 : 1, "1: another board has our keys.")
        out.gauge("culver_retired", backups.retired == nil ? 0 : 1, "1: the identities moved into a final backup.")
        out.gauge("culver_clock_set", loop.clock.now.isClockSet ? 1 : 0, "0: the clock of the board is not set.")
    }

    private func measureStore(_ out: inout Exposition) throws {
        let states = try store.outboxStates()
        let policy = loop.messenger.policy
        out.begin("culver_outbox_messages", .gauge, "Messages on their way out, by state.")
        for state in [DeliveryState.waiting, .queued, .published] {
            out.sample(states[state] ?? 0, ["state": state.rawValue])
        }
        out.gauge("culver_outbox_bytes", try store.outboxSize().bytes, "Bytes of the messages on their way out.")
        out.gauge("culver_outbox_limit_messages", policy.outboxCount, "When so many wait it is full.")
        out.gauge("culver_outbox_limit_bytes", policy.outboxBytes, "When so many bytes wait it is full.")
        let inbox = try store.inboxSize()
        out.gauge("culver_inbox_messages", inbox.count, "Messages in the inbox.")
        out.gauge("culver_inbox_bytes", inbox.bytes, "Bytes of the messages in the inbox.")
        out.gauge("culver_inbox_limit_messages", store.limits.inboxRows, "With so many it is full.")
        out.gauge("culver_inbox_limit_bytes", store.limits.inboxBytes, "With so many bytes it is full.")
        let pending = try store.pending()
        out.gauge(
            "culver_inbox_unacknowledged", pending.map(\.count).max() ?? inbox.count,
            "What the consumer that is most behind has before it.")
        out.begin("culver_consumer_pending", .gauge, "Messages that a consumer has not acknowledged.")
        for (consumer, count) in pending.prefix(100) { out.sample(count, ["consumer": consumer.name]) }
        out.begin("culver_consumer_connected", .gauge, "1: a program reads as this consumer.")
        for (consumer, _) in pending.prefix(100) {
            out.sample(consumers.isConnected(consumer.name) ? 1 : 0, ["consumer": consumer.name])
        }
        out.begin("culver_parked_messages", .gauge, "Parked messages: unverified wait for a meta, verified for you.")
        out.sample(try store.parkedCount(isVerified: false), ["kind": "unverified"])
        out.sample(try store.parkedCount(isVerified: true), ["kind": "verified"])
        out.gauge(
            "culver_requests", try store.parkedSenders(isVerified: true, limit: 1000).count,
            "Strangers who wait to be accepted.")
        out.gauge("culver_contacts", facebook.contactCount, "Contacts.")
        out.gauge("culver_identities", facebook.identities.count, "Identities of this board.")
    }

    /// The same hundred as `status` shows: peers with pending messages come first.
    private func measurePeers(_ out: inout Exposition) throws {
        let (rows, rest) = try store.peers(limit: 100)
        let now = loop.clock.now
        let operations = loop.names
        out.begin("culver_peer_info", .gauge, "The name that this board gave to a peer.")
        for row in rows {
            out.sample(1, ["did": row.did.text, "name": operations.name(of: row.did) ?? ""])
        }
        out.begin("culver_peer_sent_total", .counter, "Messages accepted for a peer, ever.")
        for row in rows { out.sample(row.sent, ["did": row.did.text]) }
        out.begin("culver_peer_receipted_total", .counter, "Messages that a peer has receipted, ever.")
        for row in rows { out.sample(row.receipted, ["did": row.did.text]) }
        out.begin("culver_peer_gaps_total", .counter, "Holes in a peer's numbers that nobody filled, ever.")
        for row in rows { out.sample(row.gaps, ["did": row.did.text]) }
        out.begin("culver_peer_pending", .gauge, "Messages for a peer that have not ended.")
        for row in rows { out.sample(row.pending, ["did": row.did.text]) }
        out.begin("culver_peer_lag_seconds", .gauge, "Age of the oldest of them; 0 without any.")
        for row in rows {
            // Without a clock, then or now, nobody knows.
            let isKnown = now.isClockSet && (row.oldest ?? 0) > 0
            out.sample(isKnown ? max(0, now.wall - (row.oldest ?? 0)) : 0, ["did": row.did.text])
        }
        out.gauge("culver_peers_beyond", rest, "Further peers, which are not shown one by one.")
    }

    private func measureBrokers(_ out: inout Exposition) {
        let names = configured.names
        func traffic(_ name: String) -> Traffic { brokers[name]?.traffic ?? Traffic() }
        out.begin("culver_broker_connected", .gauge, "1: connected.")
        for name in names { out.sample(brokers[name]?.condition.state == .connected ? 1 : 0, ["broker": name]) }
        out.begin("culver_broker_info", .gauge, "The version of MQTT spoken, empty while it is away.")
        for name in names { out.sample(1, ["broker": name, "mqtt": brokers[name]?.condition.version ?? ""]) }
        out.begin("culver_broker_connections_total", .counter, "Connections made; all but the first are reconnects.")
        for name in names { out.sample(traffic(name).connections, ["broker": name]) }
        out.begin("culver_broker_losses_total", .counter, "Connections lost, and attempts that failed.")
        for name in names {
            out.sample(traffic(name).losses, ["broker": name, "kind": "lost"])
            out.sample(traffic(name).failures, ["broker": name, "kind": "not-made"])
            out.sample(traffic(name).takeOvers, ["broker": name, "kind": "taken-over"])
        }
        out.begin(
            "culver_broker_published_total", .counter,
            "Publications by the broker's answer: nobody subscribed, or lost with the connection before any.")
        for name in names {
            out.sample(traffic(name).taken, ["broker": name, "answer": "taken"])
            out.sample(traffic(name).nobody, ["broker": name, "answer": "nobody"])
            out.sample(traffic(name).refused, ["broker": name, "answer": "refused"])
            out.sample(traffic(name).lost, ["broker": name, "answer": "lost"])
        }
        out.begin("culver_broker_unacknowledged", .gauge, "Publications that the broker has not answered yet.")
        for name in names { out.sample(brokers[name]?.unacknowledged ?? 0, ["broker": name]) }
        out.begin("culver_broker_queued", .gauge, "Publications that wait for room on the connection.")
        for name in names { out.sample(loop.messenger.backlog(of: name), ["broker": name]) }
        out.begin("culver_broker_received_total", .counter, "Publications that came from the broker.")
        for name in names { out.sample(traffic(name).received, ["broker": name]) }
        out.begin("culver_broker_received_bytes_total", .counter, "Bytes of their payloads.")
        for name in names { out.sample(traffic(name).receivedBytes, ["broker": name]) }
    }

    private func measureBridges(_ out: inout Exposition) {
        let names = bridges.names
        guard !names.isEmpty else { return }
        out.begin("culver_bridge_connected", .gauge, "1: the local broker of the bridge is connected.")
        for name in names { out.sample(bridges[name]?.isConnected == true ? 1 : 0, ["bridge": name]) }
        out.begin("culver_bridge_connections_total", .counter, "Connections made to the local broker.")
        for name in names { out.sample(bridges[name]?.connections ?? 0, ["bridge": name]) }
        out.begin(
            "culver_bridge_messages_total", .counter,
            "Messages: taken from the local broker and delivered to the peer, received from it and published.")
        for name in names {
            let counts = bridges.counts(name)
            out.sample(counts.taken, ["bridge": name, "event": "taken"])
            out.sample(counts.delivered, ["bridge": name, "event": "delivered"])
            out.sample(counts.received, ["bridge": name, "event": "received"])
            out.sample(counts.published, ["bridge": name, "event": "published"])
        }
        out.begin(
            "culver_bridge_dropped_total", .counter,
            "Messages that went no further: replaced by newer ones, and others.")
        for name in names {
            let counts = bridges.counts(name)
            out.sample(counts.replaced, ["bridge": name, "reason": "replaced"])
            out.sample(counts.tooLarge + (bridges[name]?.tooLong ?? 0), ["bridge": name, "reason": "too-large"])
            out.sample(counts.withoutRoom, ["bridge": name, "reason": "bridge-full"])
            out.sample(counts.looped, ["bridge": name, "reason": "loop"])
            out.sample(counts.undelivered, ["bridge": name, "reason": "undelivered"])
            out.sample(counts.refused, ["bridge": name, "reason": "local-refused"])
        }
        out.begin("culver_bridge_waiting", .gauge, "Messages that wait for the peer, or for the local broker.")
        for name in names {
            out.sample(bridges.waiting(name, .out).count, ["bridge": name, "direction": "out"])
            out.sample(bridges.waiting(name, .inward).count, ["bridge": name, "direction": "in"])
        }
    }

    private func measureLoop(_ out: inout Exposition) {
        let counts = loop.counts
        out.counter("culver_turns_total", counts.turns, "Turns of the loop.")
        out.begin("culver_commit_seconds", .summary, "Commits to the disk, and the time that they took.")
        out.sample(counts.commitSeconds, suffix: "_sum")
        out.sample(counts.commits, suffix: "_count")
        out.counter("culver_disk_failures_total", counts.faults, "Times at which the disk began to fail.")
        out.counter("culver_commit_failures_total", counts.failures, "Attempts to write that failed.")
        out.counter(
            "culver_disk_refusals_total", counts.givenUp, "Calls, messages and results not taken while the disk failed."
        )
        out.gauge("culver_disk_failing", loop.diskFault == nil ? 0 : 1, "1: nothing can be written.")
        if let free = try? DiskSpace(at: loop.directory.path).free {
            out.gauge("culver_state_free_bytes", free, "Room where the state directory is.")
        }
        out.counter("culver_damaged_files_total", damages.count, "Damaged files that were set aside.")
        out.gauge("culver_loop_backlog", loop.backlog, "What waits for a turn.")
        out.gauge("culver_pool_queue", pool.load, "Private-key work that is not done.")
        out.gauge("culver_clients", socket.clients, "Clients of the socket.")
    }

    private func measureProcess(_ out: inout Exposition, named name: String) {
        out.begin("culver_build_info", .gauge, "The version that runs.")
        out.sample(1, ["version": Release.version])
        out.gauge(
            "culver_uptime_seconds", KernelClock.boottime.now - started, "Time since the start, sleep included.")
        let process = Process()
        out.begin("\(name)_cpu_seconds_total", .counter, "User and system CPU time spent.")
        out.sample(process.cpuSeconds)
        out.gauge("\(name)_resident_memory_bytes", process.residentBytes, "Resident memory size.")
        out.gauge("\(name)_virtual_memory_bytes", process.virtualBytes, "Virtual memory size.")
        out.gauge("\(name)_start_time_seconds", process.started, "Start time in seconds since 1970.")
        out.gauge("\(name)_open_fds", process.openFiles, "Open file descriptors.")
        out.gauge("\(name)_max_fds", process.mostFiles, "Most open file descriptors.")
    }
}
