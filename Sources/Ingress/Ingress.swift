import Core
import Glibc
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
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
            platform: platform, options: options, unreadiness: unreadiness, metrics: metrics, logger: logger)
    }

    /// Serves until the service is stopped; then takes no new connections and lets the calls under way end.
    public func run() async throws {
        let application = Application(
            responder: edge,
            server: HTTPServerBuilder { [options] responder in
                EdgeChannel(responder: responder, options: options, render: HTTPEdge.refusal)
            },
            configuration: ApplicationConfiguration(
                address: .hostname(options.host, port: options.port), serverName: "Scriptorium", backlog: 4096,
                availableConnectionsDelegate: .maximum(mostConnections, logger: logger)),
            onServerRunning: { [logger] channel in
                let isGuarded = channel.eventLoop.submit {
                    try channel.pipeline.syncOperations.addHandler(AcceptPause(logger: logger), position: .first)
                }
                try? await isGuarded.get()
                await listening(channel.localAddress?.port ?? options.port)
            },
            logger: logger)
        do {
            try await application.run()
        } catch let error as IOError {
            throw CanNotListen(
                description: "\(options.host):\(options.port) can not be listened on"
                    + " (\(String(cString: strerror(error.errnoCode)))). "
                    + (error.errnoCode == EADDRNOTAVAIL
                        ? "Choose an address of this machine." : "Choose another port, or 0 for a free one."))
        } catch  where error is SocketAddressError || error is SocketAddressError.UnknownHost {
            throw CanNotListen(
                description: "'\(options.host)' is no address of this machine. Take 127.0.0.1, or 0.0.0.0 for all.")
        }
    }

    /// As many as there are descriptors for, with some left for everything else that the process does.
    private var mostConnections: Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            return options.mostConnections
        }
        let descriptors = Int(clamping: limit.rlim_cur)
        return min(options.mostConnections, max(descriptors / 4, descriptors - 512))
    }

    /// The address is taken, or none of this machine's.
    public struct CanNotListen: Error, CustomStringConvertible {
        public let description: String
    }
}
