/// The lines of a `text/event-stream` put together to events (HTML Living Standard, 9.2.6).
struct EventStream {
    struct Event: Equatable {
        var name = "message"
        var data = ""
    }

    /// The id of the last event, for `Last-Event-ID`.
    private(set) var lastID: String?

    private var line: [UInt8] = []
    private var hasEndedWithReturn = false
    private var event = Event()
    private var hasData = false
    private var id: String?

    init(lastID: String? = nil) {
        self.lastID = lastID
        id = lastID
    }

    /// Takes a piece as it comes over the wire.
    /// - Returns: the events that it completes.
    mutating func take(_ bytes: [UInt8]) -> [Event] {
        var events: [Event] = []
        for byte in bytes {
            switch byte {
            case 0x0D: take(&events)
            case 0x0A where hasEndedWithReturn: break
            case 0x0A: take(&events)
            default: line.append(byte)
            }
            hasEndedWithReturn = byte == 0x0D
        }
        return events
    }

    private mutating func take(_ events: inout [Event]) {
        let text = String(decoding: line, as: UTF8.self)
        line.removeAll(keepingCapacity: true)
        guard !text.isEmpty else {
            lastID = id
            if hasData { events.append(event) }
            event = Event()
            hasData = false
            return
        }
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        var value = parts.count > 1 ? parts[1] : ""
        if value.first == " " { value = value.dropFirst() }
        switch parts[0] {
        case "event": event.name = String(value)
        case "id": id = String(value)
        case "data":
            event.data += hasData ? "\n\(value)" : String(value)
            hasData = true
        // A comment, or the time to wait before the next try, which is ours to know.
        default: break
        }
    }
}
