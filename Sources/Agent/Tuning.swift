import DIMP

/// Our own numbers, chosen by measuring and free to change: no peer relies on them. The protocol's stand in
/// `ProtocolLimits`, what the owner of a board may change in `Policy`. Times are seconds.
enum Tuning {
    // MARK: - Outgoing

    /// Messages that waited for a key and are with the pool at a time, and the bytes beyond which no more are given.
    static let releasedAtOnce = 32
    static let releasedBytes = 2 << 20
    /// Receivers whose last number is remembered while the pool works.
    static let rememberedNumbers = 1024
    /// Rows that expire in one turn while no broker is there, and rows of a removed identity that fail in one.
    static let expiredInOneTurn = 100
    static let failedInOneTurn = 256
    /// Portions of due rows in one turn of which none was published.
    static let idlePortions = 20
    /// What Base64, keys, meta and visa add to a content on the wire.
    static let wireOverhead: Int64 = 8192

    /// Bytes on the wire of several contents in one message, a quarter of what agents may make of them (extensions.md 5):
    /// more would save little, and a broker that takes no more without a word would keep all of them back.
    static let batchBytes: Int64 = 64 << 10

    /// Messages to one peer that are on their way at a time: to begin with, at the least, at the most, and how many urgent
    /// ones may go beyond.
    static let leastWindow = 32
    static let largestWindow = 256
    static let urgentReserve = 16
    /// Messages to a silent peer that are repeated; the others rest.
    static let probes = 4
    /// Peers that have their turn without need before the next tick.
    static let idleTurns = 256

    /// Message keys whose wrapped bytes are remembered for repeats.
    static let rememberedWrappings = 256

    // MARK: - Publishing

    /// Bytes of unacknowledged publications beyond which a broker gets nothing more: the last of them may exceed it.
    static let bytesUnderway = 4 << 20
    /// Publications other than messages that wait for room on a broker.
    static let backlog = 256
    /// A connection is soon lost, or long-lived; and what was published so long before its end is not the cause of it.
    static let soonLost = 60.0
    static let longLived = 600.0
    static let promptEnd = 30.0
    /// So many answers after a loss show that nothing is wrong with what goes out.
    static let answersToEase = 64
    /// For how long a publication is set aside over which connections end: the first time, the second, and then.
    static let culpritPauses = [60.0, 600, 3600]
    static let rememberedCulprits = 256
    /// What is smaller has not ended a connection by its size.
    static let leastTooLarge = 16 << 10
    /// When a message is looked at again that is larger than a broker says it takes.
    static let announcedLimitPause = 600.0
    /// What topic, properties and MQTT itself add to a payload.
    static let packetOverhead: Int64 = 256
    /// How long what our visas should say has to differ from what they say, and the pause between two visas.
    static let visaPatience = 600.0
    static let visaPause = 3600.0
    /// Bytes on the wire of several receipts in one message: all receivers take that much.
    static let bundleBytes: Int64 = 32 << 10

    // MARK: - Incoming

    /// Messages between arrival and the end of their checks, and after how long one of them counts as lost.
    static let inFlight = 4096
    static let lostAfter = 60.0
    /// Attempts to decrypt that failed and are not made again, and strangers with a budget of their own.
    static let rememberedFailures = 1000
    static let strangerBudgets = 1024
    /// Milliseconds of every second that the processor may spend on strangers' public keys, and again on private keys for
    /// them.
    static let strangersMilliseconds = 400.0
    /// Strangers' messages that wait for a budget and their bytes; for how long brokers are held back for them, and for how
    /// long they are not after that.
    static let throttledMessages = 1024
    static let throttledBytes = 6 << 20
    static let longestThrottling = 60.0
    static let pauseOfThrottling = 600.0
    static let throttlePause = 0.05
    static let releasedStrangers = 64
    /// Parked messages that take the way in at a time, and that are looked at in one turn.
    static let unparkedAtOnce = 4
    static let unparkedInOneTurn = 8
    static let unverifiedSenders = 64
    static let verifiedSenders = 1000
    /// Strangers that are known under `open`, and those that are forgotten for a new one when a board knows too many.
    static let keptStrangers = 1000
    static let strangersForgottenAtOnce = 4
    /// How long a hole in a sender's numbers may be filled by repeats before it is told, and streams that are followed.
    static let holePatience = 120.0
    static let followedStreams = 12
    static let refusalReasons = 64
    static let refusalPause = 60.0

    // MARK: - Receipts

    /// Receipts of one peer that wait for a signature, messages that wait to be acknowledged, and receipts that are made
    /// again when a broker comes back.
    static let gatheredReceipts = 1024
    static let owedAtOnce = 200
    /// Receipts that come faster than they are signed are gathered for so many times the signing, and no longer than this.
    static let gatheringFactor = 3.0
    static let longestGathering = 0.25
    static let rememberedUnwritten = 1024
    /// Messages that an acknowledgement may name which it was not made for, before one that it was.
    static let wrongAcknowledged = 4
    /// The age of a content from which on its receipt is signed: its sender may have let it expire.
    static let longestAcknowledged = 3600.0

    // MARK: - Directory

    /// Entities that are looked for.
    static let lookups = 4096
    /// How long one is watched while others wait, by how much later a higher want may have left to be as good, how many
    /// are watched whatever a broker grants, and the pause after a refusal.
    static let watchTurn = 15.0
    static let watchHandicap = 60.0
    static let leastWatched = 4
    static let leastWatchPause = 1.0
    /// A look-up ends after this when no message waits for it.
    static let lookupLife = 600.0
    /// Bytes of visas that came before their metas.
    static let visasBeforeMetas = 1 << 20
    /// When a question that found the minute's budget spent is asked.
    static let questionPause = 2.0
    /// Documents of one answer that are checked: each costs a public-key operation.
    static let documentsOfOneAnswer = 8
    /// Unknown cards that are checked in a second, and those at once, as after a connect.
    static let checkedCardsPerSecond = 50.0
    static let checkedCardsAtOnce = 1024.0
    /// Metas and documents in answers of strangers that are checked in a second.
    static let strangersCardsPerSecond = 10.0
    /// The pauses between two repairs of a retained topic of ours; after an hour of peace the first one again.
    static let firstRepairPause = 60.0
    static let longestRepairPause = 3600.0

    // MARK: - Groups

    /// How far a command may be dated ahead of the clock to come after the last one: as far as that one may be, and the
    /// second in which no serial number is left. Where another clock is behind this one it comes again.
    static let groupAhead = ProtocolLimits.contentAhead + 2
    /// How far a command may be dated ahead for the forward around it to come again until its time has come. What is further
    /// ahead is refused for good, so that it takes up no place at its sender: who misses it asks.
    static let groupPatience = 86_400.0
    /// The pause between two times that the owner's agent says everything anew: because others do not know or do not obey
    /// what is so, and because the history is long.
    static let groupAnewPause = 30.0
    static let groupResetPause = 3600.0
    /// The pause between two questions about one group, and between two answers to one member; and answers remembered.
    static let groupQueryPause = 60.0
    static let longestGroupQueryPause = 3600.0
    static let rememberedAnswers = 1024
    /// Groups that one contact is asked about in such a pause, because its messages name them.
    static let groupQuestionsToOne = 8
    /// For how long a member that was removed is heard with what it wrote before, after this board heard of that.
    static let groupFarewell = 3600.0
    /// Groups that are known in which nobody of this board is a member.
    static let groupsOfOthers = 16
    /// Bytes of commands in one forward: everybody takes as much.
    static let forwardedBytes = 32 << 10

    // MARK: - Files

    /// Pieces beyond the receiver's word; those that are tried when nothing is heard of it; and those of all files that are
    /// read and that no broker has taken yet.
    static let pieceWindow = 32
    static let pieceProbes = 4
    static let piecesInHand = 8
    /// Pieces that wait for the disk, and after how many it is synced while others come.
    static let piecesBeforeDisk = 32
    static let piecesInOneSync = 8
    /// When pieces go again of which nothing is heard, and when the receiver asks for holes: doubled up to the longest.
    static let firstPiecePause = 10.0
    static let firstHolePause = 3.0
    static let longestPiecePause = 600.0
    /// When a piece is tried again for which no broker had room.
    static let piecePause = 1.0
    static let rememberedFileEnds = 256

    // MARK: - Calls

    /// Calls that run at a time and that are remembered, of all callers and of one; and callers whose rates are.
    static let runningCalls = 8
    static let runningCallsOfOne = 4
    static let servedCalls: Int64 = 30_000
    static let servedCallsOfOne: Int64 = 10_000
    static let callRates = 1024
    /// Parts of an answer beside the last one.
    static let callParts: Int64 = 4_000
    /// Bytes that a call's program may be given to read.
    static let callInput = 64 << 10
    /// How far ahead a deadline may be, and for how long an answer is repeated after it.
    static let longestCall = 86_400.0
    static let callMemory = 3_600.0
    /// Refusals and repeats of one caller that are answered in a minute, and for how long they are repeated.
    static let refusalsPerMinute = 60
    static let refusalExpiry = 600.0
    /// When refusals beyond that are written into the audit, after the first of them.
    static let gatheringOfRefusals = 60.0

    // MARK: - Bridges

    /// Rows that wait for one bridge in one direction, and their bytes.
    static let bridgedRows: Int64 = 4_096
    static let bridgedBytes: Int64 = 16 << 20
    /// Messages of one bridge in the outbox at a time, or publications on a local broker, and the bytes beyond which no
    /// more go.
    static let bridgeWindow = 64
    static let bridgeBytes: Int64 = 1 << 20
    /// How long a peer of which nothing is known yet may be shown to be gone, after a connect; after how long one that is
    /// gone is tried all the same; and the pause after the outbox refused a message.
    static let bridgeSettling = 2.0
    static let bridgeProbePause = 600.0
    static let bridgePause = 5.0
    /// Times that more may go in one turn because others were refused at once.
    static let bridgeRounds = 4

    // MARK: - Pipes

    /// Bytes of a piece, and after how many pieces the reader says how far it has come.
    static let longestPiece = 48 << 10
    static let pipeWordAfter: Int64 = 8
    /// Bytes of a piece's message besides the Base64 of its data.
    static let pieceOverhead: Int64 = 512
    /// How long a program may be away, how long a pipe waits for one, and how long one that is over is remembered.
    static let pipePatience = 120.0
    static let longestUnopened = 86_400.0
    static let pipeMemory = 14.0 * 86_400
    /// When what the outbox did not take is tried again.
    static let pipeRetry = 5.0
    static let pipeRefusalsPerSecond = 1.0
    static let pipeRefusalsAtOnce = 60.0

    // MARK: - Clones and tidying

    static let rememberedStarts = 16
    static let answerToStartPause = 10.0
    static let statementsPerSecond = 20.0
    /// Statements of contacts that are checked at once, as after a connect; for how long a contact has to be silent
    /// before another is watched in its place; bytes of the name of a start, and of what a contact says that it runs.
    static let statementsAtOnce = 512.0
    static let watchedPresence = 600.0
    static let bootName = 64
    static let agentName = 64
    /// Pings that are answered, in all and to one sender.
    static let pingsPerSecond = 20.0
    static let pingsAtOnce = 120.0
    static let pingsOfOnePerSecond = 5.0
    static let pingsOfOneAtOnce = 30.0
    static let pingingPeers = 1024
    static let tidyPause = 3600.0
    static let tidyPortionPause = 0.2
}
