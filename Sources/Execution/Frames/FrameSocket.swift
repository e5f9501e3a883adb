import Glibc

/// The socket on which one harness speaks with the executor.
@PollThread
final class FrameSocket {
    enum Input {
        case frame(FrameDecoder.Frame)
        case fault(FrameDecoder.Fault)
        case end
    }

    /// Is told of everything that arrives; after a fault or the end, nothing arrives any more.
    var onInput: @PollThread (Input) -> Void = { _ in }
    /// Is told when some of what was sent has left.
    var onSent: @PollThread () -> Void = {}
    /// How many bytes have not left yet.
    private(set) var unsentBytes = 0

    /// How much of a result has arrived that is not whole yet, in bytes.
    var partOfResult: (arrived: Int, length: Int)? { decoder.partOfResult }

    private let descriptor: Descriptor
    private var decoder: FrameDecoder
    private var watch: Poller.Watch?
    private var unsent: [[UInt8]] = []
    /// How much of the first unsent frame has left.
    private var offset = 0
    private var isDeaf = false
    private var isPaused = false
    /// What was read and not yet decoded, because of a pause.
    private var undecoded: ArraySlice<UInt8> = []

    init(_ descriptor: Descriptor, resultLimit: Int) {
        self.descriptor = descriptor
        decoder = FrameDecoder(resultLimit: resultLimit)
        watch = Poller.shared.watch(descriptor, for: .readable) { [weak self] what in
            guard let self else { return }
            if what.contains(.writable) { self.sendWaiting() }
            if what.contains(.readable) { self.read() }
        }
    }

    /// Leaves what arrives to the kernel from now on, which makes the child wait.
    func pause() {
        guard !isPaused else { return }
        isPaused = true
        adjust()
    }

    func resume() {
        guard isPaused else { return }
        isPaused = false
        decode()
        adjust()
    }

    /// A larger or smaller result is accepted from now on.
    func accept(resultLimit: Int) {
        decoder = FrameDecoder(resultLimit: resultLimit)
    }

    func send(_ frame: [UInt8]) {
        guard descriptor.isOpen else { return }
        unsent.append(frame)
        unsentBytes += frame.count
        if unsent.count == 1 { sendWaiting() }
    }

    /// Reads what the ended child left, without waiting for the end: a survivor may hold the other side.
    func readRest() {
        for _ in 0..<64 where read() {}
    }

    func close() {
        if let watch { Poller.shared.end(watch) }
        watch = nil
        descriptor.close()
        unsent = []
        onInput = { _ in }
        onSent = {}
    }

    private func adjust() {
        guard let watch else { return }
        var wanted: Poller.Readiness = isPaused || isDeaf ? [] : .readable
        if !unsent.isEmpty { wanted.insert(.writable) }
        Poller.shared.change(watch, to: wanted)
    }

    private func sendWaiting() {
        while let frame = unsent.first {
            let sent = frame[offset...].withUnsafeBytes {
                Glibc.send(descriptor.number, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if sent < 0 {
                if errno == EAGAIN { break }
                // The child is gone; its end shows when reading.
                (unsent, unsentBytes, offset) = ([], 0, 0)
                break
            }
            offset += sent
            unsentBytes -= sent
            if offset == frame.count {
                unsent.removeFirst()
                offset = 0
            }
        }
        adjust()
        onSent()
    }

    /// Reads once; false where nothing more is to be had.
    @discardableResult
    private func read() -> Bool {
        guard descriptor.isOpen, !isDeaf else { return false }
        guard !isPaused else { return false }
        let buffer = Poller.shared.buffer
        let count = Glibc.read(descriptor.number, buffer.baseAddress, buffer.count)
        if count < 0, errno == EAGAIN || errno == EINTR { return false }
        guard count > 0 else {
            finish(.end)
            return false
        }
        undecoded += UnsafeRawBufferPointer(buffer)[..<count]
        decode()
        return true
    }

    private func decode() {
        do throws(FrameDecoder.Fault) {
            while descriptor.isOpen, !isDeaf, !isPaused, let frame = try decoder.next(&undecoded) {
                onInput(.frame(frame))
            }
        } catch {
            finish(.fault(error))
        }
    }

    private func finish(_ input: Input) {
        isDeaf = true
        adjust()
        onInput(input)
    }
}
