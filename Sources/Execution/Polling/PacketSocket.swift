import CHost
import Glibc

/// A socket whose messages keep their limits and may carry descriptors (`SOCK_SEQPACKET`).
@PollThread
final class PacketSocket {
    private let descriptor: Descriptor
    private let onPacket: @PollThread ([UInt8], [Descriptor]) -> Void
    private let onEnd: @PollThread () -> Void
    private var watch: Poller.Watch?
    private var unsent: [(bytes: [UInt8], descriptors: [Descriptor])] = []

    /// - Parameters:
    ///   - onPacket: is told of every packet that arrives, and of the descriptors that came with it.
    ///   - onEnd: is told once when the other side is gone, but not of our own ``close()``.
    init(
        _ descriptor: Descriptor, onPacket: @escaping @PollThread ([UInt8], [Descriptor]) -> Void,
        onEnd: @escaping @PollThread () -> Void
    ) {
        self.descriptor = descriptor
        self.onPacket = onPacket
        self.onEnd = onEnd
        watch = Poller.shared.watch(descriptor, for: .readable) { [weak self] in self?.ready($0) }
    }

    /// Sends `bytes`, later where the socket is full. The descriptors are closed here once they have gone.
    func send(_ bytes: [UInt8], with descriptors: [Descriptor] = []) {
        guard descriptor.isOpen else { return }
        unsent.append((bytes, descriptors))
        if unsent.count == 1 { sendWaiting() }
    }

    /// Reads what has arrived and was not looked at yet.
    func readRest() { receive() }

    func close() {
        if let watch { Poller.shared.end(watch) }
        watch = nil
        descriptor.close()
        unsent = []
    }

    private func ready(_ what: Poller.Readiness) {
        if what.contains(.writable), !unsent.isEmpty { sendWaiting() }
        if what.contains(.readable) { receive() }
    }

    private func sendWaiting() {
        while let packet = unsent.first {
            let numbers = packet.descriptors.map(\.number)
            let sent = packet.bytes.withUnsafeBytes {
                host_send(descriptor.number, $0.baseAddress, $0.count, numbers, Int32(numbers.count))
            }
            if sent < 0, errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS { break }
            unsent.removeFirst()  // The end of the other side shows when reading.
            for descriptor in packet.descriptors { descriptor.close() }
        }
        if let watch { Poller.shared.change(watch, to: unsent.isEmpty ? .readable : [.readable, .writable]) }
    }

    private func receive() {
        var descriptors = [Int32](repeating: -1, count: Int(HOST_MAX_FDS))
        // A chatty other side must not keep the thread.
        for _ in 0..<64 where descriptor.isOpen {
            var count: Int32 = 0
            let buffer = Poller.shared.buffer
            let received = host_receive(descriptor.number, buffer.baseAddress, buffer.count, &descriptors, &count)
            let arrived = descriptors.prefix(Int(count)).map(Descriptor.init)
            if received < 0, errno == EAGAIN { return }
            guard received > 0 else {
                close()
                onEnd()
                return
            }
            onPacket(Array(buffer[..<received]), arrived)
        }
    }
}
