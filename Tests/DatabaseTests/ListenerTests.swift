import Database
import ServiceLifecycle
import Synchronization
import TestSupport
import Testing

@Suite struct ListenerTests {
    private static let notify = Statement("notify", "select pg_notify($1, $2)::text")

    /// A listener that runs while `body` does.
    private func listening(
        _ body: (Listener, Database) async throws -> Void
    ) async throws {
        let options = DatabaseOptions(url: try await TestPostgres.database(), connections: 1)
        let listener = Listener(options, logger: quiet)
        let database = Database(options, logger: quiet)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await listener.run() }
            try await body(listener, database)
            group.cancelAll()
        }
        await database.close()
    }

    @Test(.timeLimit(.minutes(1))) func notificationsArrive() async throws {
        try await listening { listener, database in
            var events = listener.listen("Some \"channel\"").makeAsyncIterator()
            var others = listener.listen("other").makeAsyncIterator()
            #expect(await events.next() == .connected)
            #expect(await others.next() == .connected)
            for payload in ["one", "", "three"] {
                _ = try await database.system.execute(Self.notify, ["Some \"channel\"", payload])
                #expect(await events.next() == .notification(payload: payload))
            }
            _ = try await database.system.execute(Self.notify, ["other", "for others"])
            #expect(await others.next() == .notification(payload: "for others"))
        }
    }

    @Test(.timeLimit(.minutes(1))) func afterAReconnectItSaysSo() async throws {
        try await listening { listener, database in
            var events = listener.listen("channel").makeAsyncIterator()
            #expect(await events.next() == .connected)
            #expect(try await database.terminateOthers() == 1)
            #expect(await events.next() == .connected)
            _ = try await database.system.execute(Self.notify, ["channel", "back"])
            #expect(await events.next() == .notification(payload: "back"))
        }
    }

    @Test(.timeLimit(.minutes(1))) func aSecondListenerOfAChannelIsGreetedToo() async throws {
        try await listening { listener, database in
            var first = listener.listen("channel").makeAsyncIterator()
            #expect(await first.next() == .connected)
            var second = listener.listen("channel").makeAsyncIterator()
            #expect(await second.next() == .connected)
            _ = try await database.system.execute(Self.notify, ["channel", "both"])
            #expect(await first.next() == .notification(payload: "both"))
            #expect(await second.next() == .notification(payload: "both"))
        }
    }

    @Test(.timeLimit(.minutes(1))) func whereMuchIsDroppedTheReaderIsToldToCatchUp() async throws {
        try await listening { listener, database in
            let stream = listener.listen("channel")
            var probe = listener.listen("probe").makeAsyncIterator()
            #expect(await probe.next() == .connected)
            let many = Statement(
                "many", "select count(pg_notify('channel', number::text)) from generate_series(1, 2000) number")
            _ = try await database.system.execute(many)
            _ = try await database.system.execute(Self.notify, ["probe", "last"])
            #expect(await probe.next() == .notification(payload: "last"))
            var events = stream.makeAsyncIterator()
            var seen: [ListenerEvent] = []
            while seen.count < 1024, let event = await events.next() { seen.append(event) }
            #expect(seen.last == .connected)
            #expect(seen.contains(.notification(payload: "2000")))
        }
    }

    @Test(.timeLimit(.minutes(1))) func theStreamsEndWithTheListener() async throws {
        let listener = Listener(DatabaseOptions(url: try await TestPostgres.database()), logger: quiet)
        let stream = listener.listen("channel")
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await listener.run() }
            for await event in stream where event == .connected { group.cancelAll() }
            try await group.waitForAll()
        }
        var late = listener.listen("channel").makeAsyncIterator()
        #expect(await late.next() == nil)
    }
}
