import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1

/// A connection's pipeline: Hummingbird's own for HTTP/1.1, with a ``ConnectionGuard`` in it.
struct EdgeChannel: ServerChildChannel, HTTPChannelHandler {
    typealias Value = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>

    let responder: HTTPChannelHandler.Responder
    let options: IngressOptions
    let render: ConnectionGuard.Rendering

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            var limits = NIOHTTPDecoderLimitConfiguration()
            // A little more than is accepted, so that what is just too much still gets the exact answer.
            limits.maxHeaderFieldSize = max(options.largestHeaders, options.longestURI) + 1024
            limits.maxHeaderListSize = options.largestHeaders + options.longestURI + 1024
            limits.maxHeaderFieldCount = options.mostHeaders
            let pipeline = channel.pipeline.syncOperations
            // A connection keeps its buffer while its caller waits, and most requests are small; it grows with what comes.
            try channel.syncOptions?.setOption(
                .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 64, initial: 512, maximum: 65_536))
            let connection = ConnectionGuard(options, logger: logger, render: render)
            try pipeline.addHandler(WireWatch(connection))
            try pipeline.configureHTTPServerPipeline(
                withPipeliningAssistance: false, withErrorHandling: false, withOutboundHeaderValidation: false,
                withEncoderConfiguration: .init(), withDecoderLimitConfiguration: limits)
            try pipeline.addHandler(connection)
            try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: false))
            return try NIOAsyncChannel(
                wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
        }
    }

    func handle(value: Value, logger: Logger) async {
        await handleHTTP(asyncChannel: value, logger: logger)
    }
}
