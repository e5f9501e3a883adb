/// How long to wait before the next try: doubling, and spread so that many clients do not come back at once.
struct Backoff: Sendable {
    private let first: Duration
    private let limit: Duration
    private var next: Duration

    init(first: Duration = .milliseconds(50), limit: Duration = .seconds(2)) {
        self.first = first
        self.limit = limit
        next = first
    }

    /// Between half of the present step and all of it.
    mutating func step() -> Duration {
        defer { next = min(next * 2, limit) }
        return next * Double.random(in: 0.5...1)
    }

    mutating func reset() { next = first }
}
