import Agent
import Control
import Records
import Store

/// What one work item of the loop may do; `after` takes what is done on the main queue once that is on disk.
typealias Turn = Agent.Turn<@MainActor () -> Void>
typealias Chore = @MainActor (inout Turn) throws -> Void
typealias WorkItem = Agent.WorkItem<MethodCall, Chore>

/// A client's call with what serves it.
struct MethodCall {
    let call: Call
    /// Answers through `Turn.after`. A refusal that it throws is its answer, and what it wrote until then stays.
    let body: @MainActor (Call, inout Turn) throws -> Void
}

extension WorkItem {
    static func request(_ call: Call, _ body: @escaping @MainActor (Call, inout Turn) throws -> Void) -> Self {
        .request(MethodCall(call: call, body: body), isFollowed: call.isFollowed)
    }
}

extension LedgerError {
    /// Whatever went wrong with files or database, as the messenger knows it.
    init(disk error: any Error) {
        self = (error as? LedgerError) ?? LedgerError("\(error)", isFull: (error as? FileError)?.isFull ?? false)
    }
}

extension RPCError {
    /// Ours or the disk's fault, in a client's words.
    init(disk error: any Error) {
        let isFull = (error as? LedgerError)?.isFull ?? (error as? FileError)?.isFull ?? false
        self.init(exit: isFull ? .notNow : .io, reason: isFull ? "disk-full" : "store", message: "\(error)")
    }
}
