import Testing

/// The tests that share the process's main queue and limits take turns.
@Suite("Links", .serialized)
@MainActor
struct Links {}
