import Core
import Glibc
import TestSupport
import Testing

/// A minute of faults, one after the other and at random, under load.
@Suite struct RandomFaultTests {
    /// xorshift64*: the same seed gives the same faults.
    private struct Dice: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state ^= state >> 12
            state ^= state << 25
            state ^= state >> 27
            return state &* 0x2545_F491_4F6C_DD1D
        }
    }

    private enum Fault: CaseIterable {
        case killWorker, stopWorker, drainWorker, killIngress, drainIngress, crashServer, freezeServer
    }

    /// Set SCRIPTORIUM_TEST_SEED to have the faults of an earlier run again.
    @Test func aMinuteOfRandomFaultsLosesNothing() async throws {
        let given = getenv("SCRIPTORIUM_TEST_SEED").flatMap { UInt64(String(cString: $0)) }
        let seed = given ?? UInt64.random(in: 1 ... .max)
        print("the seed of the random faults is \(seed)")
        let house = try await BreakableInstallation()
        let tenant = try await house.installation.tenant()
        // Half of them fail at first, and are tried again.
        let script = """
            if event.request.payload.n % 2 and event.job.attempt == 1 and event.job.max_attempts > 1: raise Exception('at first')
            \(Load.script)
            """
        try await tenant.save("echo", "python3", script, config: #","retry_on_error":true,"max_attempts":20"#)
        let load = Load(tenant)
        try await load.during(callers: 2) {
            var dice = Dice(state: seed)
            let clock = ContinuousClock()
            let end = clock.now + .seconds(60)
            while clock.now < end {
                let fault = Fault.allCases.randomElement(using: &dice) ?? .killWorker
                let number = Int.random(in: 0...1, using: &dice)
                do {
                    try await apply(fault, number, to: house, &dice)
                } catch {
                    throw NeverHappened(description: "seed \(seed), \(fault) \(number): \(error)")
                }
                let before = load.now.answered
                try await eventually("seed \(seed): calls are answered after \(fault) \(number)", within: .seconds(60))
                {
                    load.now.answered > before + 5
                }
            }
        }
        #expect(load.now.accepted.count > 20)
        let broken = try await load.broken(of: tenant)
        #expect(broken.isEmpty, "seed \(seed): \(broken)")
        let complaints = try await house.audit()
        #expect(complaints.isEmpty, "seed \(seed): \(complaints)")
        try await house.close()
    }

    private func apply(
        _ fault: Fault, _ number: Int, to house: BreakableInstallation, _ dice: inout Dice
    ) async throws {
        // How long the fault lasts; nothing is waited for by it.
        let pause = Duration.milliseconds(Int.random(in: 0...3000, using: &dice))
        switch fault {
        case .killWorker, .killIngress:
            let name = fault == .killWorker ? "worker \(number)" : "ingress \(number)"
            let program = try await house.program(name)
            program.signal(SIGKILL)
            _ = try await program.end()
            try await house.start(name)
        case .stopWorker:
            let worker = try await house.program("worker \(number)")
            worker.signal(SIGSTOP)
            try await Task.sleep(for: pause * 6)
            worker.signal(SIGCONT)
        case .drainWorker, .drainIngress:
            let name = fault == .drainWorker ? "worker \(number)" : "ingress \(number)"
            try await house.stop(name)
            try await house.start(name)
        case .crashServer:
            await house.crashServer()
            try await Task.sleep(for: pause)
            try await house.startServer()
        case .freezeServer:
            await house.freezeServer()
            try await Task.sleep(for: pause * 4)
            await house.thawServer()
        }
    }
}
