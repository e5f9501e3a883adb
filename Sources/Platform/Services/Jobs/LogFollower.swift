import Core

/// A job's log as an event stream (WHATWG HTML, "server-sent events"): an event for each line, whose id is the line's `seq`,
/// and at the job's end one of the name `end` with its status. Whoever is not welcome any more gets no end.
actor LogFollower {
    private let reader: LogReader
    private let place: LogFollowers.Place
    private let isWelcome: @Sendable () async throws -> Bool
    private var seq: Int64
    private var hasEnded = false
    private let clock = ContinuousClock()
    private var spoken: ContinuousClock.Instant

    /// How often is looked for new lines.
    private static let pause = Duration.milliseconds(400)
    /// How long a connection may be silent: proxies cut off those that look dead.
    private static let longestSilence = Duration.seconds(15)

    /// - Parameter isWelcome: whether the reader may still read. A job may run, or wait, for very long.
    init(
        reader: LogReader, after seq: Int64, place: LogFollowers.Place,
        isWelcome: @escaping @Sendable () async throws -> Bool
    ) {
        self.reader = reader
        self.place = place
        self.isWelcome = isWelcome
        self.seq = seq
        spoken = clock.now
    }

    /// The next piece of the stream, empty where there is nothing yet; nil after the end.
    func next() async throws -> [UInt8]? {
        guard !hasEnded, try await isWelcome() else { return nil }
        // The status first: what is printed before the end is then seen by the look at the lines.
        let status = try await reader.status()
        let lines = try await reader.next(after: seq)
        if let last = lines.last {
            seq = last.seq
            return speak(lines.map { "id: \($0.seq)\ndata: \($0.json.text)\n\n" }.joined())
        }
        if status?.isFinal ?? true {
            hasEnded = true
            let end = JSONText.object([("status", .string(status?.rawValue))])
            return speak("event: end\ndata: \(end.text)\n\n")
        }
        try await Task.sleep(for: Self.pause)
        return spoken.duration(to: clock.now) < Self.longestSilence ? [] : speak(": \n\n")
    }

    private func speak(_ text: String) -> [UInt8] {
        spoken = clock.now
        return Array(text.utf8)
    }
}
