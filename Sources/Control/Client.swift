package import Format
import Glibc
import System

/// The other end, for programs that may wait: the tool and the tests. Belongs to one thread.
///
/// Notifications that arrive while a call waits for its answer are kept for `next`.
package final class Client {
    /// A notification.
    package typealias Notice = (method: String, params: JSON)

    private let socket: Descriptor
    private var input = LineBuffer()
    private var notices: [Notice] = []
    private var lastCall: Int64 = 0

    /// Connects. While no daemon listens it tries again for `patience` seconds, because a daemon may be restarting.
    package init(path: String, patience: Double = 2) throws(ControlError) {
        let end = KernelClock.monotonic.now + patience
        while true {
            do {
                socket = try Socket.connect(to: path)
                return
            } catch .noDaemon where KernelClock.monotonic.now < end {
                usleep(50_000)
            }
        }
    }

    /// Asks and waits for the answer; `RPCError` when it is an error, `ControlError` when none comes within `timeout`
    /// seconds (`nil`: for ever) or the connection ends.
    package func call(_ method: String, _ params: JSONObject = [:], timeout: Double? = nil) throws -> JSON {
        let id = try ask(method, params)
        let end = timeout.map { KernelClock.monotonic.now + $0 }
        while true {
            guard let message = try receive(until: end) else { throw ControlError.timedOut }
            guard !keep(message) else { continue }
            if let error = message["error"].flatMap(RPCError.init), isFor(id, message) { throw error }
            guard message["id"] == .integer(id) else { continue }
            guard let result = message["result"] else { throw ControlError.unintelligible("no result in it") }
            return result
        }
    }

    /// The next notification; `nil` when none comes within `timeout` seconds (`nil`: for ever).
    package func next(timeout: Double? = nil) throws -> Notice? {
        if !notices.isEmpty { return notices.removeFirst() }
        let end = timeout.map { KernelClock.monotonic.now + $0 }
        while notices.isEmpty {
            guard let message = try receive(until: end) else { return nil }
            if !keep(message), message["id"]?.isNull == true, let error = message["error"].flatMap(RPCError.init) {
                throw error
            }
        }
        return notices.removeFirst()
    }

    /// Asks without waiting for the answer, which is thrown away when it comes.
    package func post(_ method: String, _ params: JSONObject = [:]) throws(ControlError) {
        _ = try ask(method, params)
    }

    /// What the daemon says next, in the order in which it came.
    package enum Word {
        case notice(Notice)
        /// To what `ask` asked under this number.
        case answer(Int64, Result<JSON, RPCError>)
    }

    /// For programs that wait for several things: `nil` when nothing more is there now. To be asked until it is, and again
    /// when `number` can be read. Throws an error that is about the connection as a whole.
    package func hear() throws -> Word? {
        if !notices.isEmpty { return .notice(notices.removeFirst()) }
        while let message = try receive(until: 0) {
            if keep(message) { return .notice(notices.removeFirst()) }
            let error = message["error"].flatMap(RPCError.init)
            if let id = message["id"]?.integer {
                if let error { return .answer(id, .failure(error)) }
                return .answer(id, .success(message["result"] ?? .null))
            }
            if let error { throw error }
        }
        return nil
    }

    /// The descriptor, to wait for.
    package var number: Int32 { socket.number }

    /// Asks, and says under which number the answer comes.
    package func ask(_ method: String, _ params: JSONObject) throws(ControlError) -> Int64 {
        lastCall += 1
        try send(["jsonrpc": "2.0", "id": .integer(lastCall), "method": .string(method), "params": .object(params)])
        return lastCall
    }

    /// An error without an id is about the connection as a whole, so about every call.
    private func isFor(_ id: Int64, _ message: JSON) -> Bool {
        message["id"] == .integer(id) || message["id"]?.isNull != false
    }

    private func keep(_ message: JSON) -> Bool {
        guard let method = message["method"]?.string, message["id"] == nil else { return false }
        notices.append((method, message["params"] ?? .object([:])))
        return true
    }

    private func send(_ message: JSON) throws(ControlError) {
        var bytes = message.bytes[...]
        bytes.append(UInt8(ascii: "\n"))
        while !bytes.isEmpty {
            switch Socket.write(socket, bytes) {
            case .written(let count): bytes = bytes.dropFirst(count)
            // A daemon that turns a client away says why before it hangs up: the answer is read all the same.
            case .full, .broken: return
            }
        }
    }

    /// The next line; `nil` when the time is over. The daemon is trusted with the length of what it sends.
    private func receive(until end: Double?) throws(ControlError) -> JSON? {
        while true {
            if let line = input.next() { return try parsed(line) }
            let left = end.map { max(0, $0 - KernelClock.monotonic.now) }
            guard Socket.wait(socket, seconds: left) else { return nil }
            switch Socket.read(socket, upTo: 64 << 10) {
            case .nothing: continue
            case .bytes(let bytes): input.append(bytes)
            case .end: throw .closed
            }
        }
    }

    private func parsed(_ line: [UInt8]) throws(ControlError) -> JSON {
        do {
            return try JSON(parsing: line, limits: JSONLimits(depth: 64, values: 1 << 20))
        } catch {
            throw .unintelligible(error.description)
        }
    }
}
