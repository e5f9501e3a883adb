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

    public init(
        language: ScriptLanguage, name: String, source: String, event: JSONText, platform: JSONText,
        limits: AttemptLimits
    ) {
        self.language = language
        self.name = name
        self.source = source
        self.event = event
        self.platform = platform
        self.limits = limits
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

    public init(wall: Duration, logBytes: Int = 1 << 20, responseBytes: Int = 10 << 20, apiCalls: Int = 1000) {
        self.wall = wall
        self.logBytes = logBytes
        self.responseBytes = responseBytes
        self.apiCalls = apiCalls
    }
}
