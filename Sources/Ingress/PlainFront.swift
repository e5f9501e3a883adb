import Core
import Hummingbird
import Logging
import ServiceLifecycle

/// The front of an ingress with nothing of the platform behind it: for a benchmark, which compares what stands there.
package struct PlainFront: Service {
    private let front: HTTPFront<Responder>

    /// - Parameters:
    ///   - listening: called with the port once it accepts connections.
    ///   - answer: what answers a path with its query; a body is not read.
    package init(
        options: IngressOptions, logger: Logger, listening: @escaping @Sendable (Int) async -> Void,
        answer: @escaping @Sendable (String) async -> ServiceResponse
    ) {
        front = HTTPFront(
            responder: Responder(answer: answer), options: options, listening: listening, logger: logger)
    }

    /// Serves until the service is stopped.
    package func run() async throws { try await front.run() }

    private struct Responder: HTTPResponder {
        typealias Context = EdgeContext
        let answer: @Sendable (String) async -> ServiceResponse

        func respond(to request: Request, context: EdgeContext) async throws -> Response {
            HTTPEdge.response(await answer(request.head.path ?? "/"))
        }
    }
}
