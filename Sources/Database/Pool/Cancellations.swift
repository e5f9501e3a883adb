/// Sends cancellations to the server. Each opens a connection and blocks, hence a thread of its own.
final class Cancellations: Sendable {
    private struct State {
        var waiting: [LinkCanceller] = []
        var current: LinkCanceller?
        var isClosed = false
    }

    private let state: Monitor<State>
    private let thread: PosixThread

    init() {
        let state = Monitor(State())
        self.state = state
        thread = PosixThread("db-cancel") {
            while let next = Self.next(of: state) {
                next.cancel()
                state.change(wakingAll: true) { $0.current = nil }
            }
        }
    }

    private static func next(of state: Monitor<State>) -> LinkCanceller? {
        state.wait { state -> LinkCanceller?? in
            if !state.waiting.isEmpty {
                state.current = state.waiting.removeFirst()
                return .some(state.current)
            }
            return state.isClosed ? .some(nil) : nil
        } ?? nil
    }

    func request(_ canceller: LinkCanceller) {
        state.change(wakingAll: true) { $0.waiting.append(canceller) }
    }

    /// Makes sure that no cancellation of this connection is under way any more, so that none can hit its next work.
    /// - Returns: false where that can not be known within two seconds.
    func settle(_ canceller: LinkCanceller) -> Bool {
        state.wait(until: .now + .seconds(2)) { state -> Bool? in
            state.waiting.removeAll { $0 === canceller }
            return state.current === canceller ? nil : true
        } ?? false
    }

    /// Lets the thread end.
    func end() {
        state.change(wakingAll: true) { $0.isClosed = true }
    }

    func close() async {
        end()
        await thread.finished()
    }
}
