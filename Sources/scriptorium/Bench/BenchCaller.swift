import Database
import NIOCore
import NIOHTTP1
import NIOPosix

/// A client with a connection of its own, which stays open from one call to the next.
final class BenchCaller: Sendable {
    /// The answer to a call, and when.
    struct Reply: Sendable {
        var status = 0
        /// `X-Scriptorium-Job`
        var job: String?
        var body: [UInt8] = []
        /// By the clock that the database's can be compared with.
        var sentAt: Timestamp
        var answeredAt: Timestamp
        /// By a clock that does not jump.
        var took = Duration.zero
    }

    private let channel: any Channel
    private let head: HTTPRequestHead

    /// Connects to a URL of a host and a port.
    /// - Parameter key: an API key that goes with each call.
    init(url: String, key: String?) async throws {
        let parts = url.split(separator: ":")
        guard parts.count == 3, parts[1].hasPrefix("//"), let port = Int(parts[2]) else {
            throw BenchFailure(description: "'\(url)' is no URL of a host and a port")
        }
        let host = String(parts[1].dropFirst(2))
        channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    try channel.pipeline.syncOperations.addHandler(ReplyReader())
                }
            }
            .connect(host: host, port: port).get()
        var headers: HTTPHeaders = ["Host": "\(host):\(port)", "Accept": "application/json"]
        if let key { headers.add(name: "X-API-Key", value: key) }
        head = HTTPRequestHead(version: .http1_1, method: .GET, uri: "/", headers: headers)
    }

    /// A call of a path with its query. Cancellation closes the connection.
    func get(_ path: String) async throws -> Reply {
        var head = head
        head.uri = path
        let promise = channel.eventLoop.makePromise(of: Reply.self)
        return try await withTaskCancellationHandler {
            channel.writeAndFlush(Call(head: head, reply: promise), promise: nil)
            return try await promise.futureResult.get()
        } onCancel: {
            channel.close(promise: nil)
        }
    }

    func close() { channel.close(promise: nil) }

    fileprivate struct Call: Sendable {
        let head: HTTPRequestHead
        let reply: EventLoopPromise<Reply>
    }
}

/// Sends a call and reads its answer, one after the other.
private final class ReplyReader: ChannelDuplexHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundIn = BenchCaller.Call
    typealias OutboundOut = HTTPClientRequestPart

    private struct Waiting {
        let promise: EventLoopPromise<BenchCaller.Reply>
        let begin: ContinuousClock.Instant
        var reply: BenchCaller.Reply
    }

    private var waiting: Waiting?

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let call = unwrapOutboundIn(data)
        guard context.channel.isActive, waiting == nil else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return call.reply.fail(Self.gone)
        }
        let now = Timestamp.now
        waiting = Waiting(
            promise: call.reply, begin: .now, reply: BenchCaller.Reply(sentAt: now, answeredAt: now))
        context.write(wrapOutboundOut(.head(call.head)), promise: nil)
        context.write(wrapOutboundOut(.end(nil)), promise: promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            waiting?.reply.status = Int(head.status.code)
            waiting?.reply.job = head.headers.first(name: "X-Scriptorium-Job")
        case .body(let bytes): waiting?.reply.body += Array(bytes.readableBytesView)
        case .end:
            guard var done = waiting else { return }
            waiting = nil
            done.reply.took = done.begin.duration(to: .now)
            done.reply.answeredAt = .now
            done.promise.succeed(done.reply)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        fail(Self.gone)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail(error)
        context.close(promise: nil)
    }

    private func fail(_ error: any Error) {
        waiting?.promise.fail(error)
        waiting = nil
    }

    private static let gone = BenchFailure(description: "a connection was closed before its call was answered")
}
