import Core
import Logging
import Synchronization
import Telemetry
import Testing

@Suite struct JSONLogTests {
    private final class Lines: Sendable {
        let all = Mutex<[String]>([])
    }

    @Test func aLineIsOneObjectWithItsMetadataFlat() throws {
        let lines = Lines()
        var logger = Logger(label: "scriptorium") { label in
            JSONLogHandler(label: label, now: { "2026-11-21T08:00:00.000Z" }) { line in
                lines.all.withLock { $0.append(line) }
            }
        }
        logger[metadataKey: "trace_id"] = "abc"
        logger.info("two\nlines \"quoted\"", metadata: ["job_id": "7", "level": "mine", "list": ["a", "b"]])
        logger.debug("not shown")
        let written = lines.all.withLock { $0 }
        #expect(written.count == 1)
        let line = try #require(written.first)
        #expect(line.hasSuffix("\n") && line.filter { $0 == "\n" }.count == 1)
        let json = try JSONText(checking: line)
        #expect(
            json.members.map(\.key) == ["ts", "level", "logger", "message", "job_id", "level_", "list", "trace_id"])
        #expect(json["ts"]?.string == "2026-11-21T08:00:00.000Z")
        #expect(json["level"]?.string == "info")
        #expect(json["message"]?.string == "two\nlines \"quoted\"")
        #expect(json["trace_id"]?.string == "abc")
        #expect(json["level_"]?.string == "mine")
        #expect(json["list"]?.text == #"["a","b"]"#)
    }
}
