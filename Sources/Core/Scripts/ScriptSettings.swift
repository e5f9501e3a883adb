/// What a script service's `config` says about running it (contract.md §8), with what it leaves out taken from the tenant.
public struct ScriptSettings: Sendable, Hashable {
    /// Bounds every attempt, synchronous or not, where the author gave it.
    public var wallSeconds: Double?
    /// How often an asynchronous job is tried when its worker is lost, 1 to 100.
    public var maxAttempts: Int
    /// Whether an asynchronous job is tried again when the script fails, too.
    public var retryOnError: Bool
    /// Whether every caller is answered at once, and the script runs later.
    public var isQueued: Bool
    /// How long a queued script waits before it runs, in seconds from 0 to a year; nil for no time at all.
    public var delaySeconds: Double?
    /// Whether a process may serve one call of this version after the other. It keeps what the script leaves in globals.
    public var isReused: Bool
    /// What happens to a job whose caller's wait is over.
    public var onWaitExpired: OnWaitExpired
    private let lowered: LoweredLimits

    public enum OnWaitExpired: String, Sendable, Hashable {
        /// The caller gets 202 and the job runs on.
        case detach
        /// The caller gets 504 and the job ends.
        case cancel
    }

    /// Reads a checked `config`.
    public init(config: JSONText) {
        wallSeconds = config["wall_seconds"]?.double
        maxAttempts = config["max_attempts"]?.integer ?? 3
        retryOnError = config["retry_on_error"]?.bool ?? false
        isQueued = config["queued"]?.bool ?? false
        delaySeconds = Self.delay(config["config"] ?? .null).flatMap(\.number)
        isReused = config["reuse"]?.bool ?? false
        onWaitExpired = config["on_wait_expired"]?.string.flatMap(OnWaitExpired.init(rawValue:)) ?? .detach
        lowered = LoweredLimits(config: config)
    }

    private static let longestDelay = 31_536_000.0

    /// The author's own configuration has it under the name that the reference reads, or under the one that it shows.
    private static func delay(_ config: JSONText) -> (key: String, value: JSONText, number: Double?)? {
        for key in ["delay", "QUEUED_DELAY"] {
            guard let value = config[key], !value.isNull, value.string != "" else { continue }
            let number = value.double ?? value.string.flatMap { Double($0) }
            return (key, value, number.flatMap { (0...longestDelay).contains($0) ? $0 : nil })
        }
        return nil
    }

    /// Why a `config` is not acceptable.
    public struct Invalid: Error, Sendable {
        public let message: String
    }

    /// Checks the keys that this version knows; others are kept for the author.
    /// - Throws: ``Invalid`` with the key and what it must be.
    public static func check(_ config: JSONText, language: ScriptLanguage) throws(Invalid) {
        if let value = config["wall_seconds"], !value.isNull {
            guard let seconds = value.double, seconds > 0, seconds <= 604_800 else {
                throw Invalid(message: "'config.wall_seconds' must be a number above 0 and at most 604800.")
            }
        }
        try LoweredLimits.check(config)
        if let value = config["max_attempts"], !value.isNull {
            guard let attempts = value.integer, (1...100).contains(attempts) else {
                throw Invalid(message: "'config.max_attempts' must be a whole number from 1 to 100.")
            }
        }
        if let value = config["max_concurrent"], !value.isNull {
            guard let most = value.integer, (1...100_000).contains(most) else {
                throw Invalid(message: "'config.max_concurrent' must be a whole number from 1 to 100000.")
            }
        }
        if let value = config["retry_on_error"], !value.isNull, value.bool == nil {
            throw Invalid(message: "'config.retry_on_error' must be true or false.")
        }
        if let value = config["queued"], !value.isNull, value.bool == nil {
            throw Invalid(message: "'config.queued' must be true or false.")
        }
        if config["queued"]?.bool == true, let delay = delay(config["config"] ?? .null), delay.number == nil {
            throw Invalid(
                message:
                    "'config.config.\(delay.key)' must be a number of seconds from 0 to 31536000 (a year), not \(delay.value.text.prefix(40))."
            )
        }
        if let value = config["reuse"], !value.isNull {
            guard let isReused = value.bool else { throw Invalid(message: "'config.reuse' must be true or false.") }
            guard !isReused || language == .nodejs else {
                throw Invalid(
                    message:
                        "'config.reuse' can be true for the type 'nodejs' only: a process of '\(language.rawValue)' serves one call."
                )
            }
        }
        if let value = config["on_wait_expired"], !value.isNull {
            guard value.string.flatMap(OnWaitExpired.init(rawValue:)) != nil else {
                throw Invalid(message: "'config.on_wait_expired' must be \"detach\" or \"cancel\".")
            }
        }
    }

    /// The limits of one attempt.
    public func limits(_ quotas: Quotas, asynchronous: Bool) -> AttemptLimits {
        let tenant = asynchronous ? quotas.asyncWallSeconds : quotas.wallSeconds
        var limits = AttemptLimits(
            wall: .seconds(min(wallSeconds ?? tenant, tenant)), logBytes: quotas.logBytes,
            responseBytes: quotas.responseBytes, apiCalls: quotas.apiCalls)
        if asynchronous, (wallSeconds ?? .infinity) >= tenant { limits.wallKey = "async_wall_seconds" }
        limits.cpu = .seconds(quotas.cpuSeconds)
        limits.memoryBytes = quotas.memoryBytes
        limits.processes = quotas.maxProcesses
        limits.tmpBytes = quotas.tmpBytes
        return lowered.applied(to: limits)
    }
}
