import Database
import JobQueue
import Logging
import Synchronization
import TestSupport
import Testing

/// What is said of transactions that stay open, and done about them.
@Suite struct SnapshotTests {
    /// Keeps the metadata of lines with their messages.
    private struct Notes: LogHandler {
        let lines: Lines
        var logLevel = Logger.Level.warning
        var metadata: Logger.Metadata = [:]

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let facts = (event.metadata ?? [:]).mapValues { "\($0)" }
            lines.all.withLock { $0.append((event.message.description, facts)) }
        }
    }

    private final class Lines: Sendable {
        let all = Mutex<[(message: String, facts: [String: String])]>([])

        /// Those about a session that begin like this.
        func about(_ process: Int32, _ message: String) -> [[String: String]] {
            all.withLock { $0 }.filter { $0.message.hasPrefix(message) && $0.facts["pid"] == "\(process)" }.map(\.facts)
        }
    }

    private static let warning = "a transaction stays open"

    /// An upkeep that loses its patience early.
    private func keepingUp(
        _ test: TestQueue, longestIdle: Duration, _ body: @escaping @Sendable (Lines) async throws -> Void
    ) async throws {
        let lines = Lines()
        let upkeep = QueueUpkeep(
            queue: test.queue, logger: Logger(label: "test") { _ in Notes(lines: lines) }, patience: .seconds(1),
            longestIdle: longestIdle)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await upkeep.run() }
            try await body(lines)
            group.cancelAll()
        }
    }

    @Test func whoHoldsASnapshotIsNamedOnce() async throws {
        let url = try await TestPostgres.database(migrations: Migration.embedded)
        try await TestQueue.with(url: url) { test in
            try await keepingUp(test, longestIdle: .seconds(3600)) { lines in
                let first = try await HeldTransaction(url, name: "report")
                try await eventually("it is warned of") { !lines.about(first.process, Self.warning).isEmpty }
                let facts = try #require(lines.about(first.process, Self.warning).first)
                #expect(facts["application_name"] == "report")
                #expect(facts["state"] == "idle in transaction")
                #expect(facts["age_seconds"].flatMap { Int($0) } ?? 0 >= 1)
                #expect(facts["advice"]?.contains("pg_terminate_backend(\(first.process))") == true)
                // Another one, and so a round later at least.
                let second = try await HeldTransaction(url, name: "dump")
                try await eventually("that one is, too") { !lines.about(second.process, Self.warning).isEmpty }
                #expect(lines.about(first.process, Self.warning).count == 1)
                #expect(await first.end())
                #expect(await second.end())
            }
        }
    }

    /// Others' sessions are theirs to end.
    @Test func onlyASessionOfOurOwnThatIsIdleIsEnded() async throws {
        let url = try await TestPostgres.database(migrations: Migration.embedded)
        try await TestQueue.with(url: url) { test in
            try await test.database.system.transaction { sql in
                for statement in Self.strangers { _ = try sql.execute(statement) }
            }
            let parts = try #require(url.wholeMatch(of: /(postgres:\/\/)\w+:\w+(@.*)/))
            let stranger = try await HeldTransaction("\(parts.output.1)stranger:stranger\(parts.output.2)")
            let own = try await HeldTransaction(url, name: "forgotten")
            try await keepingUp(test, longestIdle: .seconds(2)) { lines in
                try await eventually("ours is ended") { !lines.about(own.process, "session ended").isEmpty }
                // Both are looked at together.
                try await eventually("the stranger's is warned of") {
                    !lines.about(stranger.process, Self.warning).isEmpty
                }
                #expect(lines.about(own.process, "session ended").first?["application_name"] == "forgotten")
                #expect(lines.about(stranger.process, "session ended").isEmpty)
            }
            #expect(await !own.end())
            #expect(await stranger.end())
        }
    }

    private static let strangers = [
        Statement("as_owner", "reset role"),
        Statement("stranger", "create role stranger login password 'stranger'"),
        Statement("stranger_may", "grant scriptorium_system to stranger"),
    ]
}
