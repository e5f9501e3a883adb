import Ingress
import ServiceLifecycle

extension House {
    /// The HTTP side: one listener, or two where the administration has a port of its own.
    func listeners(
        _ options: IngressOptions, _ settings: Settings, ready: @escaping @Sendable (Int) async -> Void
    ) throws -> [any Service] {
        let apart = try administration(options, settings)
        var options = options
        if !apart.isEmpty { options.planes = [.api] }
        return [listener(options, ready)] + apart
    }

    /// `/operator`, `/metrics` and `/health` on a port of their own, where the settings name one.
    func administration(_ options: IngressOptions, _ settings: Settings) throws -> [any Service] {
        guard let port = try settings.adminPort() else { return [] }
        var options = options
        options.port = port
        options.planes = [.administration]
        return [listener(options) { [options] port in say("admin http://\(options.host):\(port)") }]
    }

    private func listener(
        _ options: IngressOptions, _ ready: @escaping @Sendable (Int) async -> Void
    ) -> Ingress {
        Ingress(
            options: options, platform: platform, logger: logger, unreadiness: readiness.problem,
            metrics: Metering.text, listening: ready)
    }
}
