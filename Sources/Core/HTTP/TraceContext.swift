/// Where a call stands in a distributed trace (W3C Trace Context, level 1).
public struct TraceContext: Sendable, Hashable {
    /// 32 hexadecimal digits, lower-case and not all zero. One for everything that a caller's request sets off.
    public let traceID: String
    /// 16 hexadecimal digits: the step that calls.
    public let parentID: String
    /// The flags as they came; the lowest bit says that the caller records the trace.
    public let flags: UInt8
    /// The `tracestate` that came with it; empty without one.
    public let state: String

    /// The longest `tracestate` that is passed on (§3.3.1.5).
    private static let longestState = 512

    private init(traceID: String, parentID: String, flags: UInt8, state: String) {
        self.traceID = traceID
        self.parentID = parentID
        self.flags = flags
        self.state = state
    }

    /// Reads a `traceparent`; nil where it is not valid (§3.2.2).
    public init?(traceparent: String, tracestate: String? = nil) {
        let parts = traceparent.split(separator: "-", maxSplits: 4, omittingEmptySubsequences: false)
        guard parts.count >= 4, Self.isHex(parts[0], 2), parts[0] != "ff", Self.isHex(parts[1], 32),
            Self.isHex(parts[2], 16), Self.isHex(parts[3], 2), let flags = UInt8(parts[3], radix: 16),
            parts[1].contains(where: { $0 != "0" }), parts[2].contains(where: { $0 != "0" }),
            // Version 0 ends here; a later one may go on.
            parts[0] != "00" || parts.count == 4
        else { return nil }
        let state = tracestate ?? ""
        self.init(
            traceID: String(parts[1]), parentID: String(parts[2]), flags: flags,
            state: state.utf8.count <= Self.longestState ? state : "")
    }

    /// The trace of a request that came without one: nobody records it until somebody says so.
    public static func fresh() -> TraceContext {
        TraceContext(
            traceID: RandomSecret.hex(bytes: 16), parentID: RandomSecret.hex(bytes: 8), flags: 0, state: "")
    }

    /// The next step of the same trace.
    public func child() -> TraceContext {
        TraceContext(traceID: traceID, parentID: RandomSecret.hex(bytes: 8), flags: flags, state: state)
    }

    /// The header of a call that this step makes.
    public var traceparent: String {
        let digits = String(flags, radix: 16)
        return "00-\(traceID)-\(parentID)-\(digits.count == 1 ? "0" : "")\(digits)"
    }

    private static func isHex(_ text: Substring, _ count: Int) -> Bool {
        text.utf8.count == count
            && text.utf8.allSatisfy { byte in
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
            }
    }
}
