import Core

extension Installation {
    func job(_ id: String, wait: Int) async throws -> JSONText {
        try await json(
            "GET", JobsCommand.path(id) + (wait > 0 ? "?wait=\(wait)" : ""), as: .app, timeout: .seconds(wait + 30))
    }

    static func hasEnded(_ job: JSONText) -> Bool {
        !["queued", "running"].contains(job["status"]?.string ?? "")
    }
}

/// One wait of a longer one.
enum Wait {
    /// Whole seconds until `deadline`, as many as the server waits in one call at most.
    static func part(until deadline: ContinuousClock.Instant) -> Int {
        let left = (deadline - .now) / .seconds(1)
        return max(0, min(30, Int(left.rounded(.up))))
    }
}
