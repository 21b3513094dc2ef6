import Records

/// How far an outgoing message has come, and what may follow: the whole life of a row of the outbox. Pure: it knows no
/// broker, no peer and no clock.
///
///     waiting ──sealed──▶ queued ──taken──▶ published ──receipt──▶ delivered
///        │                  │  ▲               │  ▲                    ▲
///        │                  └──┘ sent          └──┘ sent, taken        │
///        │                  └──takenOnce──▶ settled ──────receipt──────┤
///        └──────────────────┴───────────────┴── expired ───receipt─────┘
///                                             failed, cancelled: from everywhere but the ends
///
/// A message is sealed once: two ciphertexts would be two messages to the receiver, so nothing leads from a sealed state
/// back to `waiting`. A broker's word never ends a message, and never takes `published` back: what one broker took,
/// another may refuse. Nothing leads out of `delivered`, `failed` and `cancelled`; only a receipt that was late leads out of
/// `expired`, because it is true.
enum Delivery: Equatable {
    /// Not sealed: the receiver's key is missing. `due`: when it is looked for again, in seconds lived.
    case waiting(due: Double)
    /// Sealed; no broker has taken it yet. `due`: when it is sent next.
    case queued(due: Double)
    /// A broker took it. `due`: when it is sent again, or decided whether it is.
    case published(due: Double)
    /// A broker took it, and the receiver would show a repeat as another message: nothing is due, and only a receipt
    /// or the owner changes it.
    case settled
    case ended(DeliveryState)

    enum Event: Equatable {
        case sealed(due: Double)
        /// Something is tried, or put off: until when.
        case postponed(until: Double)
        /// A broker took it, and it is repeated until the receipt.
        case taken
        /// A broker took it, and it is not repeated. `restUntil`: when it is looked at once more, because the receiver may
        /// turn out to want repeats; `nil` when that is decided.
        case takenOnce(restUntil: Double?)
        case receipt
        case expired
        case failed
        case cancelled
    }

    /// What becomes of it; `nil` when the event changes nothing, because it came too late or too early.
    func next(_ event: Event) -> Delivery? {
        switch (self, event) {
        case (.waiting, .sealed(let due)): .queued(due: due)
        case (.waiting, .postponed(let due)): .waiting(due: due)
        case (.queued, .postponed(let due)): .queued(due: due)
        case (.published, .postponed(let due)): .published(due: due)
        case (.queued(let due), .taken), (.published(let due), .taken): .published(due: due)
        case (.queued, .takenOnce(let due)), (.published, .takenOnce(let due)), (.settled, .takenOnce(let due)):
            due.map(Delivery.published) ?? .settled
        case (.queued, .receipt), (.published, .receipt), (.settled, .receipt), (.ended(.expired), .receipt):
            .ended(.delivered)
        case (.ended, _): nil
        case (.settled, .expired): nil
        case (_, .expired): .ended(.expired)
        case (_, .failed): .ended(.failed)
        case (_, .cancelled): .ended(.cancelled)
        case (.waiting, .taken), (.waiting, .takenOnce), (.waiting, .receipt): nil
        case (.queued, .sealed), (.published, .sealed), (.settled, .sealed): nil
        case (.settled, .postponed), (.settled, .taken): nil
        }
    }

    var state: DeliveryState {
        switch self {
        case .waiting: .waiting
        case .queued: .queued
        case .published, .settled: .published
        case .ended(let state): state
        }
    }

    var due: Double? {
        switch self {
        case .waiting(let due), .queued(let due), .published(let due): due
        case .settled, .ended: nil
        }
    }
}

extension Outgoing {
    /// A living row has a time at which something is due; one that lost it is due at once.
    var delivery: Delivery {
        switch state {
        case .waiting: .waiting(due: due ?? 0)
        case .queued: .queued(due: due ?? 0)
        case .published: due.map(Delivery.published) ?? .settled
        case .delivered, .expired, .failed, .cancelled: .ended(state)
        }
    }

    /// The row after this event; `nil` when the event changes nothing.
    func after(_ event: Delivery.Event) -> Outgoing? {
        guard let next = delivery.next(event) else { return nil }
        var row = self
        row.state = next.state
        row.due = next.due
        return row
    }
}
