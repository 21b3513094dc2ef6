import DIMP

/// What checking messages of strangers may cost this board: operations with public and with private keys, and the time of
/// the processor that they took. That is known afterwards; what was too dear by then is paid by waiting.
struct StrangerBudgets {
    private var publicOperations: Budget
    private var privateOperations: Budget
    private var privateOperationsOfPeers: [Address: Budget] = [:]
    private let ofOnePeer: Double
    /// In milliseconds.
    private var publicTime = Budget(perSecond: Tuning.strangersMilliseconds)
    private var privateTime = Budget(perSecond: Tuning.strangersMilliseconds)

    init(_ policy: Policy) {
        publicOperations = Budget(perSecond: policy.publicOperations)
        privateOperations = Budget(perSecond: policy.strangersPrivateOperations)
        ofOnePeer = policy.peerPrivateOperations
    }

    mutating func takePublic(_ operations: Int, at lived: Double) -> Bool {
        publicTime.hasRoom(at: lived) && publicOperations.take(Double(operations), at: lived)
    }

    mutating func takePrivate(_ operations: Int, of sender: Address, at lived: Double) -> Bool {
        if privateOperationsOfPeers.count > Tuning.strangerBudgets { privateOperationsOfPeers = [:] }
        var ofPeer = privateOperationsOfPeers[sender] ?? Budget(perSecond: ofOnePeer)
        guard privateTime.hasRoom(at: lived), ofPeer.hasRoom(at: lived),
            privateOperations.take(Double(operations), at: lived)
        else { return false }
        ofPeer.spend(Double(operations), at: lived)
        privateOperationsOfPeers[sender] = ofPeer
        return true
    }

    mutating func spendPublic(seconds: Double, at lived: Double) { publicTime.spend(seconds * 1000, at: lived) }

    mutating func spendPrivate(seconds: Double, at lived: Double) { privateTime.spend(seconds * 1000, at: lived) }
}
