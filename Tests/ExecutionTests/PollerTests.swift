import CHost
import Glibc
import Testing

@testable import Execution

@Suite struct PollerTests {
    /// What was told of a descriptor.
    @PollThread
    private final class Tellings {
        var count = 0
    }

    @Test("A hang-up is told to nobody while nothing is wanted of a descriptor, and as soon as something is")
    @PollThread func hangUp() async throws {
        let (ours, theirs) = try Descriptor.socketPair(SOCK_STREAM)
        let tellings = Tellings()
        let watch = Poller.shared.watch(ours, for: .readable) { _ in tellings.count += 1 }
        defer { Poller.shared.end(watch) }
        Poller.shared.change(watch, to: [])
        theirs.close()
        // The thread looks at its descriptors before it looks at its timers.
        await withCheckedContinuation { timeIsUp in
            Poller.shared.after(.milliseconds(20)) { timeIsUp.resume() }
        }
        #expect(tellings.count == 0)

        Poller.shared.change(watch, to: .readable)
        for _ in 0..<1000 where tellings.count == 0 {
            await withCheckedContinuation { again in
                Poller.shared.after(.milliseconds(1)) { again.resume() }
            }
        }
        #expect(tellings.count > 0)
    }
}
