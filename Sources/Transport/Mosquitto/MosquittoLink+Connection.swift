import System

// One connection, from the dialled socket to its end. Whatever libmosquitto calls back about is dealt with after it has
// returned (`settle`), so the owner may do anything from inside an event.

extension MosquittoLink {
    func read(from connection: MosquittoConnection) {
        guard connection === current else { return }
        if case .lingering = connection.end {
            if connection.watcher.discard() { end(connection, because: "stopped") }
            return
        }
        guard reads || connection.since == nil else { return }
        let fault = connection.handle.read()
        connection.watcher.acknowledge()
        settle(connection, fault)
    }

    func write(to connection: MosquittoConnection) {
        guard connection === current, writes || connection.since == nil else { return }
        settle(connection, connection.handle.write())
    }

    /// After every call into libmosquitto.
    ///
    /// - Parameter fault: why the connection is over, if that is what the call said.
    func settle(_ connection: MosquittoConnection, _ fault: String?) {
        for event in connection.handle.callbacks.take() {
            deliver(event, from: connection, wasFault: fault != nil)
            guard connection === current else { return }
        }
        if let fault { return end(connection, because: fault) }
        if case .lingering = connection.end { return connection.watcher.isWriting = false }
        guard connection.handle.socket >= 0 else {
            return end(connection, because: connection.farewell ?? "the broker ended the connection")
        }
        if connection.since == nil {
            if !connection.isSecured { connection.isSecured = connection.handle.isSecured }
            // libmosquitto takes the end of the line in the TLS handshake for "not yet".
            if connection.watcher.isAtEnd { return end(connection, because: "the broker ended the connection") }
        }
        noteWriting(of: connection)
    }

    /// The end of a connection, from either side.
    func end(_ connection: MosquittoConnection, because reason: String) {
        guard connection === current else { return }
        let (handle, since) = (connection.handle, connection.since)
        hangUp(connection)
        guard isWanted else { return tellStopped() }
        if let since { return retry(after: KernelClock.boottime.now - since, reason) }
        guard connection.isSecured else {
            return retry(after: nil, handle.fault?.isMereEnd ?? true ? "\(reason) in the TLS handshake" : reason)
        }
        guard handle.fault?.isMereEnd ?? true else { return retry(after: nil, reason) }
        negotiation.unanswered(handle.version)
        wills.unanswered(withWill: handle.hasWill)
        let doubt = options.address.isEncrypted ? Handle.certificateDoubt : ""
        retry(after: nil, "\(reason) before it answered \(handle.version)\(doubt)")
    }

    /// Gives up at once whatever is going on.
    func abandon() {
        switch phase {
        case .open(let connection): hangUp(connection)
        case .waiting(let timer): timer.cancel()
        case .idle, .held, .dialling: break
        }
        phase = .idle
        later { $0.tellStopped() }
    }

    /// The next step of a clean end: DISCONNECT, once the last words are acknowledged.
    func proceed(with connection: MosquittoConnection) {
        guard connection === current, case .lastWords(let waiting) = connection.end else { return }
        guard waiting.isEmpty else { return noteWriting(of: connection) }
        connection.end = .disconnecting
        settle(connection, connection.handle.disconnect())
    }

    private func hangUp(_ connection: MosquittoConnection) {
        connection.timer?.cancel()
        connection.watcher.cut()
        droppedBefore += connection.handle.callbacks.dropped
        phase = .idle
    }

    private func tellStopped() {
        guard wish == .end else { return }
        wish = .rest
        tell(.stopped)
    }

    private func deliver(_ event: CallbackEvent, from connection: MosquittoConnection, wasFault: Bool) {
        switch event {
        case .answered(let code, let greeting): answered(code, greeting, connection)
        case .message(let message):
            tell(
                options.bridging != nil
                    ? .delivered(message)
                    : .message(topic: message.topic, payload: message.payload, retained: message.isRetained))
        case .tooLong(let topic, let bytes): tell(.tooLong(topic: topic, bytes: bytes))
        case .acknowledged(let token, let code): acknowledged(token, code, connection)
        case .subscribed(let token, let codes): subscribed(token, codes, connection)
        case .over(let code): if !wasFault { over(code, connection) }
        }
    }

    private func answered(_ code: UInt8, _ greeting: Greeting, _ connection: MosquittoConnection) {
        let version = connection.handle.version
        guard connection.since == nil else { return end(connection, because: "the broker answered CONNECT twice") }
        guard code == 0 else { return refused(code, connection) }
        let now = KernelClock.boottime.now
        negotiation.answered(version, at: now)
        wills.accepted(withWill: connection.handle.hasWill, at: now)
        startsClean = false
        connection.since = now
        connection.greeting = greeting
        connection.window = PublicationWindow(receiveMaximum: greeting.receiveMaximum(in: version))
        connection.watcher.isReading = reads
        let keepAlive = greeting.keepAlive.map(Int.init) ?? options.keepAlive
        connection.timer?.cancel()
        connection.timer = MainQueueTimer(every: Double(min(max(keepAlive / 4, 1), 15))) {
            self.settle(connection, connection.handle.keepAlive())
        }
        tell(.connected(version: version, sessionPresent: greeting.sessionPresent))
        if options.will != nil, !connection.handle.hasWill, connection === current { tell(.willLeftOut) }
        tellKnowledge()
    }

    private func tellKnowledge() {
        let now = KernelClock.boottime.now
        var learnt = BrokerKnowledge()
        learnt.speaksFive = negotiation.speaksFive
        learnt.olderUntil = negotiation.olderUntil.flatMap { now < $0 ? $0 : nil }
        learnt.willLeftOutUntil = wills.leftOutUntil.flatMap { now < $0 ? $0 : nil }
        guard learnt != knowledge else { return }
        knowledge = learnt
        tell(.learnt(learnt))
    }

    /// A CONNACK that says no. libmosquitto shows a 3.1.1 broker's "unacceptable protocol version" as 0x84, too.
    private func refused(_ code: UInt8, _ connection: MosquittoConnection) {
        let version = connection.handle.version
        let isAboutVersion = code == (version == .v5 ? 0x84 : 1)
        let now = KernelClock.boottime.now
        if isAboutVersion {
            negotiation.refused(version, at: now)
        } else {
            if version == .v5, code < 0x80 {
                negotiation.unanswered(version)
            } else {
                negotiation.answered(version, at: now)
            }
            wills.refused(code, withWill: connection.handle.hasWill, at: now)
        }
        let reason = version == .v5 && code >= 0x80 ? words(reason: code) : words(connack: code)
        hangUp(connection)
        guard isWanted else { return tellStopped() }
        tellKnowledge()
        if code == (version == .v5 ? 0x85 : 2) { tell(.clientIDRefused) }
        guard isWanted else { return tellStopped() }
        retry(after: nil, isAboutVersion ? "the broker does not speak \(version)" : "the broker refuses us: \(reason)")
    }

    private func acknowledged(_ token: Int32, _ code: UInt8, _ connection: MosquittoConnection) {
        if case .lastWords(var waiting) = connection.end, waiting.remove(token) != nil {
            connection.end = .lastWords(waiting)
            return later { $0.proceed(with: connection) }
        }
        guard connection.window.acknowledge(token) else { return }
        let outcome: PublishOutcome =
            switch code {
            case 0x10: .nobody
            case 0x80...: .refused(code: code, reason: words(reason: code))
            default: .accepted
            }
        tell(.acknowledged(token: token, outcome))
        guard connection === current, room > 0, connection.window.hasRoomAgain() else { return }
        tell(.roomAgain)
    }

    private func subscribed(_ token: Int32, _ codes: [UInt8], _ connection: MosquittoConnection) {
        guard let topics = connection.asked.removeValue(forKey: token) else { return }
        var granted: [String] = []
        var refused: [SubscriptionRefusal] = []
        for (index, topic) in topics.enumerated() {
            let code = index < codes.count ? codes[index] : 0x80
            if code < 0x80 {
                granted.append(topic)
            } else {
                refused.append(SubscriptionRefusal(topic: topic, code: code, reason: words(reason: code)))
            }
        }
        tell(.subscribed(granted: granted, refused: refused))
    }

    /// The connection ended without a fault: by the link's DISCONNECT, or by one of the broker's with a reason code.
    private func over(_ code: Int32, _ connection: MosquittoConnection) {
        if case .disconnecting = connection.end {
            connection.end = .lingering
            return connection.watcher.finishWriting()
        }
        connection.farewell = "the broker ended the connection: \(words(reason: UInt8(clamping: code)))"
        if code == 0x8e { tell(.takenOver) }
    }
}
