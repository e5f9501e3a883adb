import CHost
import Glibc
import Logging
import ServiceLifecycle

/// What a listener tells.
public enum ListenerEvent: Sendable, Hashable {
    /// Listening has begun, again perhaps: what was notified before may have been missed, so catch up now.
    case connected
    case notification(payload: String)
}

/// LISTEN on one connection with a thread of its own, for all channels.
public final class Listener: Service, Sendable {
    private let target: LinkTarget
    private let logger: Logger
    private let subscriptions = Subscriptions()

    /// Connects to `listenURL`, or to `url` where there is none: it must not be a PgBouncer in transaction mode.
    public init(_ options: DatabaseOptions, logger: Logger) {
        var options = options
        options.url = options.listenURL ?? options.url
        target = LinkTarget(options)
        self.logger = logger
    }

    /// What is notified on a channel, from now to the end of `run()`.
    ///
    /// At most 1024 events wait for a slow reader. Where more come, the oldest are dropped and `.connected` is said again.
    public func listen(_ channel: String) -> AsyncStream<ListenerEvent> {
        AsyncStream(bufferingPolicy: .bufferingNewest(1024)) { subscriptions.add($0, to: channel) }
    }

    /// Listens until graceful shutdown or cancellation; then all streams end.
    public func run() async throws {
        let thread = PosixThread("db-listen") { [subscriptions, target, logger] in
            var backoff = Backoff()
            while !subscriptions.isClosed {
                do {
                    let link = try Link.open(target) { subscriptions.isClosed }
                    backoff.reset()
                    try Self.serve(subscriptions, with: link)
                } catch {
                    let pause = backoff.step()
                    logger.debug("listening interrupted", metadata: ["error": "\(error)", "retry_after": "\(pause)"])
                    subscriptions.pause(pause)
                }
            }
        }
        try? await gracefulShutdown()
        subscriptions.close()
        await thread.finished()
    }

    /// Until the connection breaks, which throws, or the subscriptions are closed.
    private static func serve(_ subscriptions: Subscriptions, with link: Link) throws {
        var listening: Set<String> = []
        subscriptions.forgetGreetings()
        while !subscriptions.isClosed {
            let wanted = subscriptions.channels
            for channel in wanted.subtracting(listening) { try link.command("LISTEN \(link.quoted(channel))") }
            for channel in listening.subtracting(wanted) { try link.command("UNLISTEN \(link.quoted(channel))") }
            listening = wanted
            subscriptions.greet(listening)
            // Before the wait: what came along with the answers above is no longer in the socket.
            for (channel, payload) in try link.notifications() { subscriptions.deliver(payload, to: channel) }
            var descriptors = [
                pollfd(fd: link.socket, events: Int16(POLLIN), revents: 0),
                pollfd(fd: subscriptions.wake, events: Int16(POLLIN), revents: 0),
            ]
            poll(&descriptors, 2, -1)
            host_wake_clear(subscriptions.wake)
        }
    }
}
