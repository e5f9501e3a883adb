import Core
import Glibc

/// The reading end of a child's standard output or error.
@PollThread
final class LogPipe {
    /// Gets every line as soon as it is whole.
    var deliver: @PollThread (String) -> Void
    /// Is told once when nobody holds the other end any more, but not of our own ``close()``.
    var onEnd: @PollThread () -> Void = {}

    private let descriptor: Descriptor
    private var lines = LogLines()
    private var watch: Poller.Watch?

    init(_ descriptor: Descriptor, deliver: @escaping @PollThread (String) -> Void = { _ in }) {
        self.descriptor = descriptor
        self.deliver = deliver
        watch = Poller.shared.watch(descriptor, for: .readable) { [weak self] _ in self?.read() }
    }

    /// Whether there is nothing more to read.
    var hasEnded: Bool { watch == nil }

    /// Reads what an ended child left, which is at most a full pipe, without waiting for the end.
    func readRest() {
        for _ in 0..<4 where read() {}
    }

    /// Delivers the unfinished line and closes.
    func close() {
        guard let watch else { return }
        self.watch = nil
        Poller.shared.end(watch)
        descriptor.close()
        lines.end(deliver)
        (deliver, onEnd) = ({ _ in }, {})
    }

    /// Reads once; false where nothing more is to be had.
    @discardableResult
    private func read() -> Bool {
        guard watch != nil else { return false }
        let buffer = Poller.shared.buffer
        let count = Glibc.read(descriptor.number, buffer.baseAddress, buffer.count)
        if count < 0, errno == EAGAIN || errno == EINTR { return false }
        guard count > 0 else {
            let onEnd = onEnd
            close()
            onEnd()
            return false
        }
        lines.add(UnsafeRawBufferPointer(buffer)[..<count].rebased, deliver)
        return true
    }
}

extension Slice<UnsafeRawBufferPointer> {
    /// The same bytes, counted from 0.
    fileprivate var rebased: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: self) }
}
