import Glibc
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import ServiceLifecycle

/// A server for HTTP/1.1 with the edge's limits, whatever answers behind it.
struct HTTPFront<Responder: HTTPResponder>: Service where Responder.Context == EdgeContext {
    let responder: Responder
    let options: IngressOptions
    /// Called with the port once it accepts connections.
    let listening: @Sendable (Int) async -> Void
    let logger: Logger

    /// Serves until the service is stopped; then takes no new connections and lets the calls under way end.
    func run() async throws {
        let application = Application(
            responder: responder,
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
            throw Ingress.CanNotListen(
                description: "\(options.host):\(options.port) can not be listened on"
                    + " (\(String(cString: strerror(error.errnoCode)))). "
                    + (error.errnoCode == EADDRNOTAVAIL
                        ? "Choose an address of this machine." : "Choose another port, or 0 for a free one."))
        } catch  where error is SocketAddressError || error is SocketAddressError.UnknownHost {
            throw Ingress.CanNotListen(
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
}
