import ArgumentParser
import Core
import Glibc

/// `scriptorium bench wait`
struct WaitBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wait",
        abstract: "Measures what callers cost who wait, each for a job of its own.",
        discussion: """
            The callers wait over HTTP, each on a connection, at an ingress that is a process of its own and whose memory is \
            looked at. No worker is there while they wait; then their jobs are claimed and ended as a worker ends them, but \
            without running their script, and each caller must get the response of its job.
            """)

    @Option(help: "How many callers wait, at most 50000. Each takes a descriptor here and one in the ingress.")
    var waiters = 9000

    @OptionGroup var database: BenchDatabaseOptions
    @OptionGroup var format: FormatOptions
    @OptionGroup var role: RoleOptions

    /// Descriptors that are not for callers: what an ingress keeps back, and a few.
    private static let others = 600

    func validate() throws {
        guard (10...50_000).contains(waiters) else { throw ValidationError("--waiters must be from 10 to 50000.") }
    }

    func run() async throws {
        let settings = try await Settings(file: role.config)
        raiseFileLimit()
        try checkDescriptors()
        let waiters = waiters
        let load = LoadAverage.now
        var figures = try await BenchInstallation.lend(database, settings, limit: .seconds(58)) { installation in
            progress("starting an ingress")
            let changes: [(Setting, String?)] = [(.connectionLimit, "\(waiters + 100)")]
            return try await installation.withProgram(["ingress"], changes) { ingress in
                let url = try await ingress.line(after: "ready ")
                return try await installation.withRooms { rooms in
                    try await BenchTenant.lend(
                        in: installation, rooms, language: .python3, script: EchoScript.source(.python3)
                    ) { tenant in
                        let crowd = WaitingCrowd(
                            count: waiters, url: url, ingress: ingress, tenant: tenant, rooms: rooms)
                        return try await crowd.figures()
                    }
                }
            }
        }
        figures.load = load
        say(format.json ? figures.json.text : figures.text)
    }

    /// - Throws: ``BenchFailure`` where this machine gives a process fewer descriptors than are needed.
    private func checkDescriptors() throws {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        let most = Int(clamping: limit.rlim_cur) - Self.others
        guard waiters > most else { return }
        throw BenchFailure(
            description: "this machine gives a process \(limit.rlim_cur) descriptors, and \(waiters) callers need"
                + " \(waiters + Self.others): raise the limit (ulimit -n), or wait with --waiters \(max(10, most))")
    }
}
