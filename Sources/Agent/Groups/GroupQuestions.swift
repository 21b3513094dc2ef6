import DIMP

/// How often this board asks about a group, and how often it answers. Times are in seconds lived; nothing of it is on disk.
struct GroupQuestions {
    /// Groups whose members were asked for what this board has missed, or for what the group is.
    private var asked: [Address: Asking] = [:]
    /// Members that were told the commands, and peers that were shown the card.
    private var told: [MemberKey: LastAnswer] = [:]
    private var shown: [MemberKey: LastAnswer] = [:]

    struct MemberKey: Hashable {
        var group: Address
        var member: Address
    }

    private struct Asking {
        /// No other question about the group before.
        var until: Double
        /// The contact whose message led to it; `nil` about a group that is known.
        var source: Address?
    }

    private struct LastAnswer {
        var time = -Double.infinity
        /// There is no other of the same before, in seconds.
        var pause = 0.0
        /// The members and offices as the two boards knew them.
        var rolls: [String?] = []
        /// The last row of the outbox by which the member is told everything.
        var row: String?
    }

    // MARK: - Asking

    /// Once a minute for each group.
    func mayAsk(about group: Address, at lived: Double) -> Bool {
        lived >= asked[group]?.until ?? -.infinity
    }

    /// The members of a group that is known were asked.
    mutating func ask(about group: Address, at lived: Double) {
        asked[group] = Asking(until: lived + Tuning.groupQueryPause)
    }

    /// Whether a contact may be asked now what a group is that its message names. One contact may name any number of them.
    mutating func askForCard(of group: Address, from source: Address, at lived: Double) -> Bool {
        guard mayAsk(about: group, at: lived) else { return false }
        if asked.count >= Tuning.rememberedAnswers { asked = asked.filter { lived < $0.value.until } }
        let ofSource = asked.values.count { $0.source == source && lived < $0.until }
        guard asked.count < Tuning.rememberedAnswers, ofSource < Tuning.groupQuestionsToOne else { return false }
        asked[group] = Asking(until: lived + Tuning.groupQueryPause, source: source)
        return true
    }

    /// The card of a group came: its members may be asked at once.
    mutating func cardCame(of group: Address) { asked[group] = nil }

    // MARK: - Answering

    /// Whether a member is told the commands now: once a minute; where the two boards differ in the same way as the last
    /// time, after twice as long.
    mutating func mayTell(_ key: MemberKey, rolls: [String?], at lived: Double) -> Bool {
        Self.mayAnswer(key, rolls: rolls, by: &told, at: lived)
    }

    /// Whether a peer is shown the card now, with the same pauses.
    mutating func mayShow(_ key: MemberKey, at lived: Double) -> Bool {
        Self.mayAnswer(key, rolls: [], by: &shown, at: lived)
    }

    /// This row is the last by which a member is told everything; `nil`: there is none.
    mutating func tell(_ key: MemberKey, by row: String?, at lived: Double) {
        if Self.makeRoom(for: key, in: &told, at: lived) { told[key, default: LastAnswer()].row = row }
    }

    /// The last row by which a member was told everything.
    func row(for key: MemberKey) -> String? { told[key]?.row }

    private static func mayAnswer(
        _ key: MemberKey, rolls: [String?], by answers: inout [MemberKey: LastAnswer], at lived: Double
    ) -> Bool {
        var answer = answers[key] ?? LastAnswer()
        let isSame = answer.rolls == rolls
        guard lived >= answer.time + (isSame ? answer.pause : Tuning.groupQueryPause),
            makeRoom(for: key, in: &answers, at: lived)
        else { return false }
        let pause = isSame ? 2 * answer.pause : 0
        answer.pause = min(max(pause, Tuning.groupQueryPause), Tuning.longestGroupQueryPause)
        (answer.time, answer.rolls) = (lived, rolls)
        answers[key] = answer
        return true
    }

    private static func makeRoom(for key: MemberKey, in answers: inout [MemberKey: LastAnswer], at lived: Double)
        -> Bool
    {
        if answers[key] == nil, answers.count >= Tuning.rememberedAnswers {
            answers = answers.filter { lived < $0.value.time + $0.value.pause }
        }
        return answers[key] != nil || answers.count < Tuning.rememberedAnswers
    }
}
