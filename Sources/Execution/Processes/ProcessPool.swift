/// What became of a run that was to be started.
enum Placement {
    /// It has begun, or can not begin any more.
    case done
    /// No process can take it now: the pool's bell will ring.
    case noneFree
    /// The process was lost before the run began: another may take it.
    case processLost
}

/// Where a language's scripts find their processes.
@PollThread
protocol ProcessPool: AnyObject, Sendable {
    var interpreter: Interpreter { get }

    /// Rings when a process may have become free.
    var bell: Bell { get }

    /// Starts a run on a free process, and waits until it has begun.
    func start(_ run: Run) async -> Placement

    /// Starts a first process, which proves that the language works; the reason where it does not.
    func warmUp(within time: Duration) async -> String?

    /// Keeps `count` processes ready until the task is cancelled.
    func keep(_ count: Int) async
}

/// How long to wait after a failure: 0.1 s at first, and twice as long each time, up to 10 s.
struct Backoff {
    private var pause = Duration.milliseconds(100)

    mutating func next() -> Duration {
        defer { pause = min(pause * 2, .seconds(10)) }
        return pause
    }
}
