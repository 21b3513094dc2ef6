import Records

/// What is on its way to one peer, so that a peer that takes nothing costs the others nothing, and a slow one is not
/// flooded. On its way is a shipment that a broker was given and no receipt has come for, however much it holds.
///
///     not sent ──── window has room ────▶ on its way ──── receipt ────▶ gone
///                                           │    ▲
///          its time is up, and four others  │    │  a receipt of the peer: two for each, in order
///          are repeated already             ▼    │
///                                          resting
///
/// The window is 256, which is less than any broker keeps for a client that is away. It is halved, down to 32, when a message
/// has to be repeated though receipts come: then the peer is slow. Each receipt widens it again by one. While no receipts
/// come, new messages still go as far as the window goes, because the broker keeps them for a peer that is away, but of those
/// on their way four alone are repeated.
struct PeerFlow {
    /// The numbers of shipments, with those that rest.
    private var onWay: Set<Int64> = []
    private var window = Tuning.largestWindow
    /// Those that are repeated while no receipt comes.
    private var probes: Set<Int64> = []
    /// When the last receipt came and when the window was halved last, in seconds lived.
    private var heard = -Double.infinity
    private var narrowed = -Double.infinity
    /// The best priority of those that perhaps wait and were never sent; `nil`: none waits.
    private var unsent: Priority?
    /// Some that were sent perhaps rest.
    private var isResting = false
    /// No receipt came since some rest.
    private var isSilent = false
    /// How many of those that rest may go again.
    private var credit = 0
    /// It stands in the line of `PeerTurns`.
    var isInLine = false

    /// What of this peer goes next.
    enum Portion: Equatable {
        /// Of those that were never sent, of the best priority that there is, so many.
        case unsent(limit: Int)
        case resting(limit: Int)
    }

    /// Nothing is on its way, and nothing waits.
    var isIdle: Bool { onWay.isEmpty && unsent == nil && !isResting }

    var next: Portion? {
        if let unsent, room(for: unsent) > 0, isClear(for: unsent) { return .unsent(limit: room(for: unsent)) }
        return isResting && !isSilent && credit > 0 ? .resting(limit: credit) : nil
    }

    private func room(for priority: Priority) -> Int {
        window + (priority == .urgent ? Tuning.urgentReserve : 0) - onWay.count
    }

    /// Keeps order: after a silence, what was sent before it goes again before anything new does. An urgent message waits
    /// for neither.
    private func isClear(for priority: Priority) -> Bool { !isResting || isSilent || priority == .urgent }

    // MARK: - May it go?

    /// A message that was just sealed: only if it leaves none behind that waits and is as urgent.
    func admits(new priority: Priority) -> Bool {
        if let unsent, unsent <= priority { return false }
        return room(for: priority) > 0 && isClear(for: priority)
    }

    /// A message whose time is up. `pause`: the time-out for a receipt, in seconds.
    mutating func admits(due number: Int64, priority: Priority, pause: Double, at lived: Double) -> Bool {
        guard onWay.contains(number) else { return room(for: priority) > 0 || isProbe(number) }
        if lived >= heard + pause {
            isSilent = isResting
        } else if lived >= narrowed + pause {
            window = max(Tuning.leastWindow, window / 2)
            narrowed = lived
        }
        return isProbe(number)
    }

    /// Whether it is one of those that are repeated, or is from now on: without any nothing would be heard of the peer.
    private mutating func isProbe(_ number: Int64) -> Bool {
        guard !probes.contains(number) else { return true }
        guard probes.count < Tuning.probes else { return false }
        probes.insert(number)
        return true
    }

    // MARK: - What happened

    /// A broker was given it.
    mutating func sent(_ number: Int64) { onWay.insert(number) }

    /// It waits for its turn.
    mutating func held(_ number: Int64, priority: Priority, wasSent: Bool) {
        if wasSent {
            if onWay.contains(number) { isSilent = true }
            isResting = true
        } else {
            unsent = min(unsent ?? priority, priority)
        }
    }

    /// No broker has it, and it is tried again at once.
    mutating func lost(_ number: Int64) {
        onWay.remove(number)
        probes.remove(number)
    }

    /// No broker takes it for now: another goes in its place.
    mutating func setAside(_ number: Int64) {
        lost(number)
        wakeOthers(1)
    }

    /// The peer has it; or, of a peer that gives no receipts, a broker.
    mutating func receipted(_ number: Int64, at lived: Double) {
        onWay.remove(number)
        probes = []
        heard = lived
        isSilent = false
        window = min(window + 1, Tuning.largestWindow)
        credit = isResting ? credit + 2 : 0
    }

    /// It ended in another way.
    mutating func ended(_ number: Int64) {
        // One that was lost before it ended may have been the last that was repeated.
        guard onWay.contains(number) || probes.isEmpty else { return }
        lost(number)
        wakeOthers(2)
    }

    /// Keeps some under way: without them nothing would be due before those that rest expire.
    private mutating func wakeOthers(_ count: Int) {
        guard isResting else { return }
        credit += count
        isSilent = false
    }

    /// The best priority of those that were never sent.
    mutating func found(unsent best: Priority?) { unsent = best }

    /// How many that rest were asked for in vain, or were taken up.
    mutating func found(resting count: Int, takenUp: Int) {
        isResting = count > 0
        credit = isResting ? credit - takenUp : 0
    }

    /// The ledger may have some, of which nothing is known here.
    mutating func foundBefore() {
        unsent = .urgent
        isResting = true
        credit = max(credit, Tuning.probes)
    }
}
