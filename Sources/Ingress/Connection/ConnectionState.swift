import NIOCore

/// What a connection is doing, and until when its client must have gone on: a value, without clock or I/O.
///
/// Requests may be pipelined: while one is answered the next is read, so reading and answering are apart.
struct ConnectionState {
    /// A request whose response is not written yet.
    private struct Request {
        let wantsClose: Bool
        let isOld: Bool
        var expectsContinue: Bool
    }

    private struct Body {
        var begun: NIODeadline
        var progressed: NIODeadline
        var received = 0
    }

    private enum Reading {
        case head
        case body(Body)
    }

    private let options: IngressOptions
    private var reading = Reading.head
    private(set) var head = HeadProgress()
    private var headBegun: NIODeadline?
    /// Since when a request is waited for: the connection's start, or the end of the last response.
    private var waitingSince: NIODeadline
    private var isFresh = true
    /// When the reading was stopped because nobody took what was read; nil while it goes on.
    private var pausedSince: NIODeadline?
    private var unanswered: [Request] = []
    /// Whether the response to the first unanswered request has begun.
    private var isAnswering = false
    /// While bytes of responses are on their way out: when some last went.
    private var wroteAt: NIODeadline?
    private var unwritten = 0
    private var isQuiescing = false
    /// Nothing more can be read.
    private var isBroken = false
    /// Answered when the responses before it are written.
    private var fault: ClientFault?
    private(set) var lingersUntil: NIODeadline?

    init(_ options: IngressOptions, now: NIODeadline) {
        self.options = options
        waitingSince = now
    }

    // MARK: What comes in

    mutating func received(_ bytes: some Sequence<UInt8>, now: NIODeadline) {
        guard case .head = reading else { return }
        head.add(bytes)
        if headBegun == nil, head.isBegun { headBegun = now }
    }

    /// - Parameters:
    ///   - wantsClose: the connection ends with this request's response.
    ///   - isOld: HTTP/1.0, where staying open has to be said.
    mutating func headReceived(wantsClose: Bool, isOld: Bool, expectsContinue: Bool, now: NIODeadline) {
        unanswered.append(Request(wantsClose: wantsClose, isOld: isOld, expectsContinue: expectsContinue && !isOld))
        reading = .body(Body(begun: now, progressed: now))
        isFresh = false
    }

    mutating func bodyReceived(_ count: Int, now: NIODeadline) {
        guard case .body(var body) = reading else { return }
        body.received += count
        body.progressed = now
        reading = .body(body)
    }

    mutating func endReceived() {
        reading = .head
        head = HeadProgress()
        headBegun = nil
    }

    /// Nobody takes what is read: the client can not be blamed for what does not come.
    mutating func paused(now: NIODeadline) {
        if pausedSince == nil { pausedSince = now }
    }

    mutating func resumed(now: NIODeadline) {
        guard let since = pausedSince else { return }
        pausedSince = nil
        guard case .body(var body) = reading else { return }
        body.begun = body.begun + (now - since)
        body.progressed = body.progressed + (now - since)
        reading = .body(body)
    }

    /// What to do about bytes that can not be read.
    enum FaultAction {
        /// Answer it in the place of a request, and close.
        case answer(ClientFault)
        /// Tell whoever reads the body.
        case tellReader(ClientFault)
        /// Nothing: the connection ends anyway after what is being written.
        case none
    }

    var isInBody: Bool {
        if case .body = reading { true } else { false }
    }

    mutating func failed(_ found: ClientFault) -> FaultAction {
        guard lingersUntil == nil, !isBroken else { return .none }
        isBroken = true
        if isInBody {
            let isAnswered = unanswered.isEmpty || unanswered.count == 1 && isAnswering
            return isAnswered ? .none : .tellReader(found)
        }
        guard unanswered.isEmpty else {
            fault = found
            return .none
        }
        return .answer(found)
    }

    /// Whether `100 Continue` is due: the client waits for it, and nothing was answered yet.
    mutating func takesContinue() -> Bool {
        guard isInBody, unanswered.count == 1, !isAnswering, unanswered[0].expectsContinue else { return false }
        unanswered[0].expectsContinue = false
        return true
    }

    // MARK: What goes out

    /// How a response's head must speak of the connection; nil says nothing.
    mutating func responseBegins(now: NIODeadline) -> String? {
        isAnswering = true
        wroteAt = now
        unwritten = 0
        if endsAfterThisResponse { return "close" }
        return unanswered.first?.isOld == true ? "keep-alive" : nil
    }

    /// A request that is not read to its end is answered all the same, but nothing can follow it.
    private var endsAfterThisResponse: Bool {
        guard let request = unanswered.first else { return true }
        let isLast = unanswered.count == 1
        return request.wantsClose || isLast && (isInBody || isQuiescing)
    }

    enum AfterResponse {
        case stayOpen, close
        case answer(ClientFault)
    }

    /// The response's last part is on its way.
    mutating func responseEnds(now: NIODeadline) -> AfterResponse {
        let ends = endsAfterThisResponse
        if !unanswered.isEmpty { unanswered.removeFirst() }
        isAnswering = false
        waitingSince = now
        if ends { return .close }
        if unanswered.isEmpty, let fault { return .answer(fault) }
        return .stayOpen
    }

    mutating func written() {
        if !isAnswering { wroteAt = nil }
    }

    /// - Returns: whether the connection can be closed at once.
    mutating func quiesce() -> Bool {
        isQuiescing = true
        return unanswered.isEmpty && lingersUntil == nil
    }

    /// Everything was said; what still comes is thrown away for a moment, so that the client can read the last response.
    mutating func lingers(now: NIODeadline) {
        lingersUntil = now + TimeAmount(options.lingerTimeout)
    }

    // MARK: Time

    enum Lateness {
        case none
        case close
        case fault(ClientFault)
    }

    /// When to look next; nil where nothing is asked of the client.
    var deadline: NIODeadline? {
        if let lingersUntil { return lingersUntil }
        return [wroteAt.map { $0 + TimeAmount(options.bodyTimeout) }, readingDeadline].compactMap { $0 }.min()
    }

    private var readingDeadline: NIODeadline? {
        guard !isBroken else { return nil }
        switch reading {
        case .body(let body):
            guard pausedSince == nil, !unanswered.isEmpty else { return nil }
            let grace = TimeAmount(options.bodyTimeout)
            let owed = TimeAmount.nanoseconds(
                Int64(Double(body.received) / Double(options.slowestBody) * 1_000_000_000))
            return min(body.progressed + grace, body.begun + grace + owed)
        case .head:
            guard unanswered.isEmpty else { return nil }
            if let headBegun { return headBegun + TimeAmount(options.headerTimeout) }
            return waitingSince + TimeAmount(isFresh ? options.headerTimeout : options.idleTimeout)
        }
    }

    /// What is late at this moment.
    /// - Parameter unwritten: how many bytes wait to be sent.
    mutating func lateness(unwritten now: Int, at time: NIODeadline) -> Lateness {
        if let lingersUntil { return time >= lingersUntil ? .close : .none }
        if let wrote = wroteAt, time >= wrote + TimeAmount(options.bodyTimeout) {
            // A client that takes nothing for so long is gone, or wishes us ill.
            if now > 0, now >= unwritten, unwritten > 0 { return .close }
            unwritten = now
            wroteAt = time
        }
        guard let readingDeadline, time >= readingDeadline else { return .none }
        if isInBody { return .fault(.slowBody) }
        return headBegun == nil ? .close : .fault(.slowHead(options.headerTimeout))
    }
}
