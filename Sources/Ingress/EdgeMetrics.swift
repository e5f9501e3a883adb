import Metrics

/// What this process counts of HTTP. Tenants and services are no labels: there is no end of them.
enum EdgeMetrics {
    /// Who answers a request.
    enum Route: String, CaseIterable {
        case service, jobs, system, user, `operator`, health, metrics, other
        /// What could not be read far enough to have a path.
        case unreadable

        init(path: String) {
            let parts = path.split(separator: "/", maxSplits: 3)
            switch parts.first {
            case "api":
                let name = parts.dropFirst().first { $0 != "v2" }?.lowercased()
                self = name == nil ? .other : [.jobs, .system, .user].first { $0.rawValue == name } ?? .service
            case "operator": self = .operator
            case "health": self = .health
            case "metrics": self = .metrics
            default: self = .other
            }
        }
    }

    private struct Handles {
        /// By the first digit of the status, from 1.
        let requests: [Counter]
        let duration: Timer

        init(_ route: Route) {
            requests = (1...5).map {
                Counter(
                    label: "scriptorium_http_requests_total",
                    dimensions: [("route", route.rawValue), ("status", "\($0)xx")])
            }
            duration = Timer(label: "scriptorium_http_request_seconds", dimensions: [("route", route.rawValue)])
        }
    }

    private static let handles = Dictionary(uniqueKeysWithValues: Route.allCases.map { ($0, Handles($0)) })
    /// Connections that are open now.
    static let connections = Meter(label: "scriptorium_http_connections")

    static func answered(_ route: Route, status: Int, after duration: Duration? = nil) {
        guard let handles = handles[route] else { return }
        handles.requests[min(max(status / 100, 1), 5) - 1].increment()
        if let duration { handles.duration.record(duration: duration) }
    }
}
