import Format
import System

/// One client: its half-read line, its unanswered calls, its unwritten bytes. None of them grows without bound, and
/// the server never waits for it.
@MainActor final class Connection {
    let id: ConnectionID
    let peer: Peer
    /// Bytes that the client has not taken yet.
    var backlog: Int { output.count }

    private let socket: Descriptor
    private let limits: ControlLimits
    private weak var server: Server?
    private let watch: PolledDescriptor
    private var input = LineBuffer()
    private var output: [UInt8] = []
    private var unanswered = 0
    private var unansweredBytes = 0
    private var isOpen = true
    /// The client has said all that it will say.
    private var isDone = false
    private var isPumping = false
    /// Not read from, because it is ahead of its answers.
    private var isStalled = false
    /// A notification was not taken: say when there is room.
    private var owesRoom = false

    init(_ socket: Descriptor, id: ConnectionID, peer: Peer, server: Server) {
        self.socket = socket
        self.id = id
        self.peer = peer
        self.server = server
        self.limits = server.limits
        watch = server.poller.watch(socket)
        watch.act = { [weak self] in self?.handle($0) }
        watch.isReading = true
    }

    /// What was said until now is handed over first, as far as the client takes it.
    func close() {
        guard isOpen else { return }
        _ = handOver()
        hangUp()
    }

    private func hangUp() {
        guard isOpen else { return }
        isOpen = false
        watch.end()
        output = []
        server?.closed(self)
    }

    private func handle(_ ready: Ready) {
        if ready.isWritable { write() }
        guard isOpen else { return }
        if ready.isReadable { return read() }
        // The client is not there to hear the answers; what is still unread was never accepted.
        if ready.isGone { close() }
    }

    // MARK: in

    private func read() {
        switch Socket.read(socket, upTo: 64 << 10) {
        case .nothing: return
        case .bytes(let bytes):
            input.append(bytes)
            server?.weigh()
        case .end: isDone = true
        }
        pump()
    }

    /// Takes the lines that are there, as long as the client is not ahead of its answers.
    private func pump() {
        guard isOpen, !isPumping else { return }
        isPumping = true
        while isOpen, mayTake, let line = nextLine() { take(line) }
        isPumping = false
        guard isOpen else { return }
        isStalled = !mayTake
        if !isStalled, input.count > limits.line { return refuseLongLine() }
        watch.isReading = !isDone && !isStalled
        if isDone { closeIfOver() }
    }

    private var mayTake: Bool {
        unanswered < limits.unanswered && backlog < limits.patience && unansweredBytes < limits.unansweredBytes
            && server?.isBurdened == false
    }

    /// Bytes that are held for this client and would go with it.
    var weight: Int { input.count + backlog }

    /// A line without its end counts when nothing more will come.
    private func nextLine() -> [UInt8]? {
        input.next() ?? (isDone ? input.rest() : nil)
    }

    private func take(_ bytes: [UInt8]) {
        guard bytes.count <= limits.line else { return refuseLongLine() }
        switch Line(bytes, limits: limits) {
        case .blank: return
        case .single(let request): take([request], bytes.count, isBatch: false)
        case .batch(let requests): take(requests, bytes.count, isBatch: true)
        }
    }

    private func take(_ requests: [Result<RPCRequest, Line.InvalidRequest>], _ bytes: Int, isBatch: Bool) {
        unanswered += requests.count
        unansweredBytes += bytes
        server?.burden(bytes)
        let reply = Reply(to: self, calls: requests.count, isBatch: isBatch, limit: limits.replies / 2) {
            [weak self, weak server] in
            self?.unansweredBytes -= bytes
            server?.burden(-bytes)
        }
        for (number, request) in requests.enumerated() {
            switch request {
            case .success(let request):
                server?.onCall(
                    Call(
                        request, from: id, peer, isFollowed: number < requests.count - 1,
                        ticket: Ticket(request.id, for: reply)))
            case .failure(let refusal):
                reply.add(refusal.id.map { .failure(refusal.error, id: $0) })
            }
        }
    }

    private func refuseLongLine() {
        let words = "a line has at most \(limits.line) bytes"
        send(.failure(.invalidRequest(words, reason: "line-too-long"), id: .null))
        close()
    }

    // MARK: out

    /// A call was answered, so there may be room for the next.
    func answered() {
        unanswered -= 1
        pumpSoon()
    }

    func send(_ message: JSON) {
        guard isOpen else { return }
        enqueue(message)
        if backlog > limits.replies { close() }
    }

    /// `false`: not taken, because the client has not read what it got before.
    func notify(_ message: JSON) -> Bool {
        guard isOpen else { return false }
        guard backlog <= limits.notifications else {
            owesRoom = true
            return false
        }
        enqueue(message)
        return true
    }

    private func enqueue(_ message: JSON) {
        let isFirst = output.isEmpty
        message.write(to: &output)
        output.append(UInt8(ascii: "\n"))
        if output.count >= Self.enough, !watch.isWriting {
            write()
        } else if isFirst {
            server?.writeSoon(self)
        }
        server?.weigh()
    }

    /// So many bytes are handed over at once and do not wait for more.
    private static let enough = 64 << 10

    func write() {
        guard isOpen, handOver() else { return }
        watch.isWriting = false
        pumpSoon()
        guard owesRoom else { return }
        owesRoom = false
        server?.onRoom?(id)
    }

    /// `false`: the client does not take all of it now, or is gone.
    private func handOver() -> Bool {
        var sent = 0
        while sent < output.count {
            switch Socket.write(socket, output[sent...]) {
            case .written(let count): sent += count
            case .full:
                output.removeFirst(sent)
                watch.isWriting = true
                return false
            case .broken:
                hangUp()
                return false
            }
        }
        output = []
        return true
    }

    /// Not at once: the method that answers is in the middle of something, and must not be handed the next call.
    func pumpSoon() {
        guard !isPumping, isDone || isStalled else { return }
        MainQueue.async { [weak self] in self?.pump() }
    }

    private func closeIfOver() {
        if unanswered == 0, output.isEmpty, input.count == 0 { close() }
    }
}
