import Database
import Testing

@Suite struct TimestampTests {
    @Test(arguments: [
        ("2026-11-21T03:48:11.123Z", 1_795_232_891_123_000), ("1970-01-01T00:00:00.000Z", 0),
        ("1969-12-31T23:59:59.999Z", -1000), ("2000-02-29T12:00:00.000Z", 951_825_600_000_000),
        ("0001-01-01T00:00:00.000Z", -62_135_596_800_000_000),
    ])
    func textAndMicrosecondsSayTheSame(text: String, microseconds: Int64) {
        #expect(Timestamp(microseconds: microseconds).description == text)
        #expect(Timestamp(text)?.microseconds == microseconds)
    }

    @Test(arguments: [
        ("2026-11-21T03:48:11Z", "2026-11-21T03:48:11.000Z"), ("2026-11-21t03:48:11.1z", "2026-11-21T03:48:11.100Z"),
        ("2026-11-21T03:48:11.123456789+05:30", "2026-11-20T22:18:11.123Z"),
        ("2026-12-31 23:30:00-01:00", "2027-01-01T00:30:00.000Z"),
    ])
    func otherFormsAreRead(text: String, normal: String) {
        #expect(Timestamp(text)?.description == normal)
    }

    @Test(arguments: [
        "", "2026", "2026-11-21", "2026-02-30T00:00:00Z", "2025-02-29T00:00:00Z", "2026-13-01T00:00:00Z",
        "2026-11-21T24:00:00Z", "2026-11-21T03:48:11", "2026-11-21T03:48:11.Z", "2026-11-21T03:48:11Zx",
        "2026-11-21T03:48:11+0530", "2026-11-21T03:48:11+", "２０26-11-21T03:48:11Z",
    ])
    func whatIsNoMomentIsRefused(text: String) {
        #expect(Timestamp(text) == nil)
    }
}
