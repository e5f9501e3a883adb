import CHost
import Glibc
import Synchronization

/// Who listens to which channel.
final class Subscriptions: Sendable {
    typealias Stream = AsyncStream<ListenerEvent>.Continuation

    private struct Subscription {
        let stream: Stream
        /// Told that the present connection listens.
        var isGreeted = false
    }

    private struct State {
        var channels: [String: [Int: Subscription]] = [:]
        var count = 0
        var isClosed = false
    }

    private let state = Mutex(State())
    /// Readable when something has changed that the listening thread must look at.
    let wake = host_wake_open()

    deinit { Glibc.close(wake) }

    var isClosed: Bool { state.withLock { $0.isClosed } }

    var channels: Set<String> { state.withLock { Set($0.channels.keys) } }

    func add(_ stream: Stream, to channel: String) {
        let id: Int? = state.withLock { state in
            guard !state.isClosed else { return nil }
            state.count += 1
            state.channels[channel, default: [:]][state.count] = Subscription(stream: stream)
            return state.count
        }
        guard let id else { return stream.finish() }
        stream.onTermination = { [weak self] _ in self?.remove(id, from: channel) }
        host_wake(wake)
    }

    private func remove(_ id: Int, from channel: String) {
        state.withLock { state in
            state.channels[channel]?[id] = nil
            if state.channels[channel]?.isEmpty ?? false { state.channels[channel] = nil }
        }
        host_wake(wake)
    }

    /// The connection is a new one: nobody has been told yet.
    func forgetGreetings() {
        state.withLock { state in
            for (channel, subscriptions) in state.channels {
                state.channels[channel] = subscriptions.mapValues { Subscription(stream: $0.stream) }
            }
        }
    }

    func greet(_ listening: Set<String>) {
        let streams: [Stream] = state.withLock { state in
            var streams: [Stream] = []
            for channel in listening {
                for (id, subscription) in state.channels[channel] ?? [:] where !subscription.isGreeted {
                    streams.append(subscription.stream)
                    state.channels[channel]?[id]?.isGreeted = true
                }
            }
            return streams
        }
        for stream in streams { stream.yield(.connected) }
    }

    func deliver(_ payload: String, to channel: String) {
        let streams = state.withLock { $0.channels[channel]?.values.map(\.stream) ?? [] }
        for stream in streams {
            if case .dropped = stream.yield(.notification(payload: payload)) { stream.yield(.connected) }
        }
    }

    /// Waits on the listening thread, unless it is closed meanwhile.
    func pause(_ duration: Duration) {
        let end = Moment.now + duration
        while !isClosed, Moment.now < end {
            var descriptor = pollfd(fd: wake, events: Int16(POLLIN), revents: 0)
            poll(&descriptor, 1, end.milliseconds(limit: 60000))
            host_wake_clear(wake)
        }
    }

    func close() {
        let streams = state.withLock { state in
            defer { state.channels = [:] }
            state.isClosed = true
            return state.channels.values.flatMap { $0.values.map(\.stream) }
        }
        host_wake(wake)
        for stream in streams { stream.finish() }
    }
}
