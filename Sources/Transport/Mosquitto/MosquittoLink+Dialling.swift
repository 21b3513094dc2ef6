import System

extension MosquittoLink {
    func dial() {
        guard isWanted else { return }
        switch phase {
        case .idle, .waiting, .held: break
        case .dialling, .open: return
        }
        guard reads else { return phase = .held }
        phase = .dialling
        let life = life
        tell(.connecting)
        guard isWanted, life == self.life else { return }
        do {
            let now = KernelClock.boottime.now
            var offer = options
            if !wills.isOffered(at: now) { offer.will = nil }
            let handle = try Handle(offer, version: negotiation.version(at: now), startsClean: startsClean)
            let alarm = MainQueueTimer(every: addressWithin) { self.giveUpAddress(of: handle, in: life) }
            pool.async {
                let fault = handle.dial()
                MainQueue.async {
                    alarm.cancel()
                    self.dialled(handle, fault, in: life)
                }
            }
        } catch {
            retry(after: nil, "\(error)")
        }
    }

    /// An attempt that has one address alone is over by that, and says so itself.
    private func giveUpAddress(of handle: Handle, in life: Int) {
        guard handle.isConnecting else { return }
        handle.giveUpAddress()
        addressWithin = min(addressWithin * 2, timing.answerWithin)
        guard isWanted, life == self.life, let host = options.address.namedHost else { return }
        tell(.stalled(reason: "an address of \(host) does not answer, the next one is tried"))
    }

    private func dialled(_ handle: Handle, _ fault: String?, in life: Int) {
        guard isWanted, life == self.life, case .dialling = phase else { return }
        if let fault { return retry(after: nil, fault) }
        addressWithin = timing.addressWithin
        let isNetwork = if case .network = options.address.place { true } else { false }
        let watcher: SocketWatcher
        do throws(Errno) {
            watcher = try SocketWatcher(
                watching: handle.socket, isNetwork: isNetwork,
                readable: { if let connection = self.current { self.read(from: connection) } },
                writable: { if let connection = self.current { self.write(to: connection) } })
        } catch {
            return retry(after: nil, "cannot watch the socket: \(error)")
        }
        let connection = MosquittoConnection(handle, watcher)
        phase = .open(connection)
        let limit = timing.answerWithin
        connection.timer = MainQueueTimer(after: limit) { self.end(connection, because: "no answer within \(limit) s") }
        settle(connection, nil)
    }

    /// - Parameter lasted: seconds that the connection lasted that ended; `nil` if there was none.
    func retry(after lasted: Double?, _ reason: String) {
        let wait = backoff.wait(after: lasted)
        phase = .waiting(MainQueueTimer(after: wait) { self.dial() })
        tell(lasted == nil ? .failed(reason: reason, retryIn: wait) : .disconnected(reason: reason, retryIn: wait))
    }
}
