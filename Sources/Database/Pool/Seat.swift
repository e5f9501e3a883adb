/// Where the thread of one connection waits for work.
final class Seat: Sendable {
    private let given = Monitor<(any Work)??>(nil)

    /// Wakes the thread with work, or with the word that there will be none. Once for each ``take()``.
    func give(_ work: (any Work)?) {
        given.change { $0 = .some(work) }
    }

    /// Blocks until something is given; nil where there will be no work.
    func take() -> (any Work)? {
        given.wait { given -> (any Work)?? in
            defer { given = nil }
            return given
        } ?? nil
    }
}
