/// What one run of a script is given.
public struct ScriptAttempt: Sendable {
    public var language: ScriptLanguage
    /// The script's name in messages and traces, such as `service.math`.
    public var name: String
    public var source: String
    /// The `event` object.
    public var event: JSONText
    /// The `platform` object without its functions: `config` and `session`.
    public var platform: JSONText
    public var limits: AttemptLimits
    /// The name of the tenant whose script it is; nil where it is nobody's, as in a trial.
    public var tenant: String?
    /// Lets a process serve this attempt that has served others of the same key, and keeps it for more. What is not
    /// Node.js has a process for each attempt all the same.
    public var reuse: ReuseKey?

    public init(
        language: ScriptLanguage, name: String, source: String, event: JSONText, platform: JSONText,
        limits: AttemptLimits, tenant: String? = nil, reuse: ReuseKey? = nil
    ) {
        self.language = language
        self.name = name
        self.source = source
        self.event = event
        self.platform = platform
        self.limits = limits
        self.tenant = tenant
        self.reuse = reuse
    }
}

/// The limits of one attempt (contract.md §8).
public struct AttemptLimits: Sendable, Hashable {
    /// From the moment the script is handed over; when it passes, the script is killed.
    public var wall: Duration
    /// The quota that the wall limit comes from: `wall_seconds` or `async_wall_seconds`.
    public var wallKey = "wall_seconds"
    /// How much of stdout and stderr together is kept, in bytes.
    public var logBytes: Int
    /// The largest result, in bytes of JSON.
    public var responseBytes: Int
    /// The largest number of `platform.api` calls.
    public var apiCalls: Int
    /// User and system time of all processes of the script together.
    public var cpu = Duration.seconds(30)
    /// The memory of all processes of the script together, in bytes.
    public var memoryBytes = 256 << 20
    /// The processes and threads that the script may have beside those of its interpreter.
    public var processes = 32
    /// What the script may write to files, in bytes.
    public var tmpBytes = 64 << 20

    public init(wall: Duration, logBytes: Int = 1 << 20, responseBytes: Int = 10 << 20, apiCalls: Int = 1000) {
        self.wall = wall
        self.logBytes = logBytes
        self.responseBytes = responseBytes
        self.apiCalls = apiCalls
    }

    /// As these are, but never longer and with never more processor time than `outer`, within which the script runs.
    public func within(_ outer: AttemptLimits) -> AttemptLimits {
        var limits = self
        if wall >= outer.wall {
            limits.wall = outer.wall
            limits.wallKey = outer.wallKey
        }
        limits.cpu = min(cpu, outer.cpu)
        return limits
    }
}
