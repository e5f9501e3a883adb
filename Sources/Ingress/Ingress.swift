import Catalog
import Logging
import Platform
import ServiceLifecycle

/// The HTTP side of the installation, as a service.
public struct Ingress: Service {
    private let options: IngressOptions
    private let edge: HTTPEdge
    private let listening: @Sendable (Int) async -> Void
    private let logger: Logger

    /// - Parameters:
    ///   - unreadiness: why the process can not serve, for `/health/ready`; nil where it can.
    ///   - metrics: what the process has counted, in Prometheus' text form.
    ///   - listening: called with the port once the ingress accepts connections.
    public init(
        options: IngressOptions, platform: Platform, logger: Logger,
        unreadiness: @escaping @Sendable () async -> String?, metrics: @escaping @Sendable () -> String,
        listening: @escaping @Sendable (Int) async -> Void
    ) {
        self.options = options
        self.logger = logger
        self.listening = listening
        edge = HTTPEdge(
            platform: platform,
            limiter: RateLimiter { try await platform.catalog.takeTokens($0, hold: RateLimiter.hold) },
            options: options, unreadiness: unreadiness, metrics: metrics, logger: logger)
    }

    /// Serves until the service is stopped; then takes no new connections and lets the calls under way end.
    public func run() async throws {
        if options.planes.contains(.api) { QuotaMetrics.begin() }
        try await HTTPFront(responder: edge, options: options, listening: listening, logger: logger).run()
    }

    /// The address is taken, or none of this machine's.
    public struct CanNotListen: Error, CustomStringConvertible {
        public let description: String
    }
}
