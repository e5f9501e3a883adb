import Core
import Testing

@Suite struct TraceContextTests {
    private let trace = "0af7651916cd43dd8448eb211c80319c"
    private let parent = "b7ad6b7169203331"

    @Test func aValidOneIsRead() throws {
        let read = try #require(TraceContext(traceparent: "00-\(trace)-\(parent)-01", tracestate: "a=1,b=2"))
        #expect(read.traceID == trace)
        #expect(read.parentID == parent)
        #expect(read.flags == 1)
        #expect(read.state == "a=1,b=2")
        #expect(read.traceparent == "00-\(trace)-\(parent)-01")
        // A version of the future may say more.
        #expect(TraceContext(traceparent: "cc-\(trace)-\(parent)-01-what-else")?.traceID == trace)
        #expect(TraceContext(traceparent: "cc-\(trace)-\(parent)-01")?.traceID == trace)
    }

    @Test func whatIsNotValidIsNone() {
        for text in [
            "", "x", "00-\(trace)-\(parent)", "00-\(trace)-\(parent)-01-more", "00-\(trace)-\(parent)-1",
            "ff-\(trace)-\(parent)-01", "0-\(trace)-\(parent)-01", "00-\(trace.uppercased())-\(parent)-01",
            "00-\(trace.dropLast())-\(parent)-01", "00-\(trace)0-\(parent)-01", "00-\(trace)-\(parent)-zz",
            "00-00000000000000000000000000000000-\(parent)-01", "00-\(trace)-0000000000000000-01",
            "00-\(trace)-\(parent)-01,00-\(trace)-\(parent)-01", " 00-\(trace)-\(parent)-01",
        ] {
            #expect(TraceContext(traceparent: text) == nil, "\(text)")
        }
        #expect(
            TraceContext(traceparent: "00-\(trace)-\(parent)-00", tracestate: String(repeating: "x", count: 513))?.state
                == "")
    }

    @Test func aChildIsInTheSameTrace() throws {
        let fresh = TraceContext.fresh()
        #expect(TraceContext(traceparent: fresh.traceparent) == fresh)
        let child = fresh.child()
        #expect(child.traceID == fresh.traceID)
        #expect(child.parentID != fresh.parentID)
    }
}
