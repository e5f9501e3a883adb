import Core
import Glibc

/// The reading end of a child's standard output or error.
///
/// One thread reads for all scripts, so each gets little at a time: a page while its lines are wanted, and when they are
/// wanted no more, a full pipe every few milliseconds, of which only the end is looked at.
@PollThread
final class LogPipe {
    /// Gets every line as soon as it is whole.
    var deliver: @PollThread (String) -> Void
    /// Is told once when nobody holds the other end any more, but not of our own ``close()``.
    var onEnd: @PollThread () -> Void = {}

    private let descriptor: Descriptor
    private var lines = LogLines()
    private var watch: Poller.Watch?
    private var isUnwanted = false
    /// The end of what came since the lines are unwanted.
    private var tail: [UInt8] = []

    private static let slice = 4096
    /// A pipe holds so much.
    private static let full = 1 << 16
    private static let pause: Duration = .milliseconds(2)

    init(_ descriptor: Descriptor, deliver: @escaping @PollThread (String) -> Void = { _ in }) {
        self.descriptor = descriptor
        self.deliver = deliver
        watch = Poller.shared.watch(descriptor, for: .readable) { [weak self] _ in self?.readSome() }
    }

    /// Whether there is nothing more to read.
    var hasEnded: Bool { watch == nil }

    /// Delivers nothing more before the end, and then only the last lines: the writer may go on and is slowed down.
    func wantNoMore() {
        isUnwanted = true
    }

    /// Reads what an ended child left, which is at most a full pipe, without waiting for the end.
    func readRest() {
        for _ in 0..<(2 * Self.full / Self.slice) where read() {}
    }

    /// Delivers what is there, also an unfinished line, and begins anew: the next that comes is of another job.
    func turnPage() {
        readRest()
        deliverLast()
        isUnwanted = false
    }

    /// Delivers the unfinished line and closes.
    func close() {
        guard let watch else { return }
        self.watch = nil
        Poller.shared.end(watch)
        descriptor.close()
        deliverLast()
        (deliver, onEnd) = ({ _ in }, {})
    }

    private func deliverLast() {
        if !tail.isEmpty {
            lines.drop()
            tail.withUnsafeBytes { lines.add($0, deliver) }
            tail = []
        }
        lines.end(deliver)
    }

    private func readSome() {
        guard read(), isUnwanted, let watch else { return }
        Poller.shared.change(watch, to: [])
        Poller.shared.after(Self.pause) { [weak self] in
            if let watch = self?.watch { Poller.shared.change(watch, to: .readable) }
        }
    }

    /// Reads once; false where nothing more is to be had.
    private func read() -> Bool {
        guard watch != nil else { return false }
        let buffer = Poller.shared.buffer
        let count = Glibc.read(descriptor.number, buffer.baseAddress, isUnwanted ? Self.full : Self.slice)
        if count < 0, errno == EAGAIN || errno == EINTR { return false }
        guard count > 0 else {
            let onEnd = onEnd
            close()
            onEnd()
            return false
        }
        let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<count])
        if isUnwanted {
            tail.append(contentsOf: bytes.suffix(LogLines.longest))
            tail.removeFirst(max(0, tail.count - LogLines.longest))
        } else {
            lines.add(bytes, deliver)
        }
        return true
    }
}
