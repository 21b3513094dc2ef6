package import DIMP

/// One end of a pipe, an ordered stream of bytes in each direction between two boards (extensions.md 13). What its program
/// writes lies in the outbox, what the peer's writes in `PipePiece`s.
///
///     waiting ──▶ open ──▶ over
///        └───────────────▶
///
/// `over` becomes another pipe of the same name, and nothing else; the other two never go back.
package struct PipeRecord: Sendable, Equatable {
    package var key: PipeKey
    /// The identity of this board, and the peer, as messages name them.
    package var owner: ID
    package var peer: ID
    package var state: State
    /// Why it is over; `nil` where both directions came to their end.
    package var error: String?
    /// What this board's program writes. Its stream is the pipe's name on the socket; `nil` while no program has opened it.
    package var output = PipeDirection()
    /// All that lies on disk without a hole: the number of the next piece that is written. The end counts as a piece.
    package var written: Int64 = 0
    /// What the peer's program writes. Its stream is `nil` while nothing of it has come.
    package var input = PipeDirection()
    /// How much of what `input.taken` says is in a message to the peer that is on disk.
    package var told: Int64 = 0
    /// The peer is still to be told the error.
    package var isUntold = false
    /// The newest stream of the peer under this name that is over: what is as old comes too late.
    package var earlier: String?
    /// The pipe of this name before this one: a program that was away when it ended is told how.
    package var last: Last?
    /// In seconds lived: when a program that is away is given up, when what nobody opens is, or when a pipe that is over is
    /// forgotten.
    package var due: Double?

    package init(key: PipeKey, owner: ID, peer: ID, state: State) {
        self.key = key
        self.owner = owner
        self.peer = peer
        self.state = state
    }

    /// A name is one of two identities'.
    package struct PipeKey: Sendable, Hashable {
        package var owner: Address
        package var peer: Address
        /// 1 to 64 characters of `[0-9A-Za-z._-]`.
        package var name: String

        package init(owner: Address, peer: Address, name: String) {
            self.owner = owner
            self.peer = peer
            self.name = name
        }
    }

    package enum State: String, Sendable, CaseIterable {
        /// The peer writes, and no program here has opened it.
        case waiting
        /// A program has opened it. It may be away for a while.
        case open
        case over
    }

    package struct Last: Sendable, Equatable {
        /// What this board's program wrote.
        package var stream: String
        package var error: String?
        /// What the peer's program wrote, and how many pieces of it were taken.
        package var input: String?
        package var taken: Int64

        package init(stream: String, error: String?, input: String? = nil, taken: Int64 = 0) {
            self.stream = stream
            self.error = error
            self.input = input
            self.taken = taken
        }
    }

    /// Another pipe of this name.
    package func followed(by owner: ID, peer: ID, state: State) -> PipeRecord {
        var next = PipeRecord(key: key, owner: owner, peer: peer, state: state)
        next.earlier = earlier
        next.last =
            output.stream.map { Last(stream: $0, error: error, input: input.stream, taken: input.taken) } ?? last
        return next
    }

    /// One direction of a pipe: pieces with numbers from 0, and an end, which has the number after the last of them.
    package struct PipeDirection: Sendable, Equatable {
        package var stream: String?
        /// How many the reading program has taken, in their order; the end counts.
        package var taken: Int64 = 0
        /// The number of the end; `nil` while it is not known.
        package var end: Int64?

        package init() {}

        /// The reader has taken all of it, and knows that it was all.
        package var isOver: Bool { end.map { taken > $0 } ?? false }
    }
}

/// Bytes that came and that this board's program has not taken.
package struct PipePiece: Sendable, Equatable {
    package var pipe: PipeRecord.PipeKey
    package var number: Int64
    package var data: [UInt8]

    package init(pipe: PipeRecord.PipeKey, number: Int64, data: [UInt8]) {
        self.pipe = pipe
        self.number = number
        self.data = data
    }
}
