import Core
import Logging
import Metrics
import NIOCore
import NIOHTTP1

/// Stands between the parser and the platform: keeps a client's time, answers what the parser can not read in the
/// documented shape, and ends the connection the way that HTTP asks for (RFC 9112 §9).
final class ConnectionGuard: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    /// Sent by whoever wants the body of a request whose client may wait for `100 Continue`.
    struct WantsBody: Sendable {}

    /// An error as a response: status, headers, body.
    typealias Rendering = @Sendable (ServiceError) -> ServiceResponse

    private let options: IngressOptions
    private let render: Rendering
    private let logger: Logger
    private var state: ConnectionState
    private var timer: (deadline: NIODeadline, task: Scheduled<Void>)?

    init(_ options: IngressOptions, logger: Logger, render: @escaping Rendering) {
        self.options = options
        self.logger = logger
        self.render = render
        state = ConnectionState(options, now: .now())
    }

    func handlerAdded(context: ChannelHandlerContext) {
        EdgeMetrics.connections.increment()
        arm(context)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        EdgeMetrics.connections.decrement()
        timer?.task.cancel()
        timer = nil
    }

    // MARK: In

    /// What came over the wire, before the parser sees it.
    func arrived(_ bytes: ByteBuffer) { state.received(bytes.readableBytesView, now: .now()) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard state.lingersUntil == nil else { return }
        switch Self.unwrapInboundIn(data) {
        case .head(let head):
            let isOld = head.version.minor == 0
            guard isOld || head.headers["host"].count == 1 else { return fail(.noHost, context) }
            state.headReceived(
                wantsClose: !head.isKeepAlive, isOld: isOld,
                expectsContinue: head.headers["expect"].contains { $0.lowercased() == "100-continue" }, now: .now())
        case .body(let bytes): state.bodyReceived(bytes.readableBytes, now: .now())
        case .end: state.endReceived()
        }
        context.fireChannelRead(data)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        state.paused(now: .now())
        context.fireChannelReadComplete()
        if state.lingersUntil != nil { context.read() }
        arm(context)
    }

    func read(context: ChannelHandlerContext) {
        state.resumed(now: .now())
        context.read()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard state.lingersUntil == nil else { return }
        if let error = error as? HTTPParserError {
            let head = state.isInBody ? nil : state.head
            fail(.unreadable(error, head: head, options: options), context)
        } else if error is ByteToMessageDecoderError {
            // More bytes after those that could not be read.
        } else {
            logger.debug("connection broke", metadata: ["error": "\(error)"])
            context.fireErrorCaught(ClientFault.disconnected)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent {
            if state.quiesce() { context.close(promise: nil) }
            return
        }
        context.fireUserInboundEventTriggered(event)
    }

    private func fail(_ fault: ClientFault, _ context: ChannelHandlerContext) {
        switch state.failed(fault) {
        case .answer(let fault): answer(fault, context)
        case .tellReader(let fault): context.fireErrorCaught(fault)
        case .none: break
        }
    }

    // MARK: Out

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard state.lingersUntil == nil else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        switch Self.unwrapOutboundIn(data) {
        case .head(var head) where head.status.code >= 200:
            if let connection = state.responseBegins(now: .now()) {
                head.headers.replaceOrAdd(name: "Connection", value: connection)
            }
            context.write(Self.wrapOutboundOut(.head(head)), promise: promise)
            arm(context)
        case .end:
            let written = promise ?? context.eventLoop.makePromise()
            written.futureResult.assumeIsolated().whenComplete { [self] _ in state.written() }
            let next = state.responseEnds(now: .now())
            context.write(data, promise: written)
            switch next {
            case .stayOpen: break
            case .close: linger(after: written.futureResult, context)
            case .answer(let fault): answer(fault, context)
            }
            arm(context)
        default: context.write(data, promise: promise)
        }
    }

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        guard event is WantsBody else {
            context.triggerUserOutboundEvent(event, promise: promise)
            return
        }
        if state.takesContinue() {
            let head = HTTPResponseHead(version: .http1_1, status: .continue)
            context.writeAndFlush(Self.wrapOutboundOut(.head(head)), promise: nil)
        }
        promise?.succeed()
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard mode == .output, state.lingersUntil != nil else {
            context.close(mode: mode, promise: promise)
            return
        }
        // On its way already.
        promise?.succeed()
    }

    /// A response of our own, the connection's last.
    private func answer(_ fault: ClientFault, _ context: ChannelHandlerContext) {
        let response = render(fault.answer)
        logger.debug(
            "request not readable",
            metadata: ["status": "\(response.status)", "reason": "\(fault.answer.message)"])
        var headers = HTTPHeaders(response.headers.map { ($0.name, $0.value) })
        headers.add(name: "Content-Length", value: String(response.body.count))
        headers.add(name: "Connection", value: "close")
        let head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: response.status), headers: headers)
        let sent = context.eventLoop.makePromise(of: Void.self)
        context.write(Self.wrapOutboundOut(.head(head)), promise: nil)
        context.write(Self.wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: response.body)))), promise: nil)
        context.writeAndFlush(Self.wrapOutboundOut(.end(nil)), promise: sent)
        linger(after: sent.futureResult, context)
    }

    /// Closes our side after the last response, and the other a little later: closing both at once can cost the client
    /// the response that is on its way (RFC 9112 §9.6).
    private func linger(after sent: EventLoopFuture<Void>, _ context: ChannelHandlerContext) {
        sent.assumeIsolated().whenComplete { [self] _ in
            guard context.channel.isActive else { return }
            state.lingers(now: .now())
            context.close(mode: .output, promise: nil)
            context.read()
            arm(context)
        }
    }

    // MARK: Time

    private func arm(_ context: ChannelHandlerContext) {
        guard let deadline = state.deadline else { return }
        // A timer that comes too early looks again.
        if let timer, timer.deadline <= deadline { return }
        timer?.task.cancel()
        let task = context.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { [self] in
            timer = nil
            look(context)
        }
        timer = (deadline, task)
    }

    private func look(_ context: ChannelHandlerContext) {
        let unwritten = (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
        switch state.lateness(unwritten: unwritten, at: .now()) {
        case .none: arm(context)
        case .close: context.close(promise: nil)
        case .fault(let fault):
            fail(fault, context)
            arm(context)
        }
    }
}

@available(*, unavailable)
extension ConnectionGuard: Sendable {}

/// Shows the guard what comes over the wire, in front of the parser.
final class WireWatch: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let owner: ConnectionGuard

    init(_ owner: ConnectionGuard) { self.owner = owner }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        owner.arrived(Self.unwrapInboundIn(data))
        context.fireChannelRead(data)
    }
}

@available(*, unavailable)
extension WireWatch: Sendable {}
