import Core
import Outbound
import TestSupport
import Testing

/// Errors, and the platform's own answers, in the shape that the caller prefers (contract.md §9, RFC 9457).
@Suite struct ErrorShapeTests {
    private static let tenant = Task {
        let tenant = try await TestInstallation.shared().tenant()
        try await tenant.save("fails", "python3", "raise ValueError('a < b & \"é\"')")
        try await tenant.save("refuses", "nodejs", "event.exception = {message:'no', code:77, status_code:409};")
        return tenant
    }

    private static let json = "application/json"
    private static let problem = "application/problem+json"
    private static let xml = "application/xml"

    @Test(arguments: [
        (json, json), ("*/*", json), ("", json), (problem, problem), ("\(problem), \(json)", problem),
        ("\(json), \(problem)", json),
        ("\(json);q=0.5, \(problem)", problem), ("\(problem);q=0.1, \(json)", json), ("\(problem);q=0, */*", json),
        ("\(problem), */*;q=0.1", problem),
        (xml, xml), ("text/xml", "text/xml"), ("\(json), \(xml)", xml), ("\(xml), \(json)", json),
        ("\(xml), */*", json),
        ("application/problem+xml", xml), ("text/csv", json), ("text/plain", json), ("image/png", json),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", json),
    ])
    func anErrorByWhatIsAccepted(accept: String, type: String) async throws {
        let tenant = try await Self.tenant.value
        // Of the edge, and of a script.
        for (path, status) in [("unknown", 404), ("fails", 500)] {
            let reply = try await tenant.raw(
                "GET", "/api/v2/\(path)",
                headers: [(name: "X-API-Key", value: tenant.apiKey), (name: "Accept", value: accept)])
            #expect(reply.status == status)
            #expect(reply.header("Content-Type") == type, "\(path)")
            switch type {
            case Self.json:
                #expect(try JSONText(checking: reply.body)["error"]?["status_code"]?.integer == status)
            case Self.problem:
                let problem = try JSONText(checking: reply.body)
                #expect(problem["status"]?.integer == status)
                #expect(problem["code"]?.integer == status)
                #expect(problem["type"]?.string == "about:blank")
                #expect(problem["detail"]?.string?.isEmpty == false)
                #expect(problem["request_id"]?.string == reply.header("X-Request-Id"))
            default:
                let error = try #require(XMLReader.json(reply.text)?["error"], "\(reply.text)")
                #expect(error.members.map(\.key) == ["code", "context", "message", "status_code"])
                #expect(error["status_code"]?.string == String(status))
                #expect(error["context"]?["request_id"]?.string == reply.header("X-Request-Id"))
            }
        }
    }

    /// Nothing is encoded that the shape itself does not demand.
    @Test func aMessageReadsAsItWasWritten() async throws {
        let tenant = try await Self.tenant.value
        let message = "a < b & \"é\""
        let json = try await tenant.send("GET", "/api/v2/fails")
        #expect(try JSONText(checking: json.body)["error"]?["message"]?.string == message)
        let problem = try await tenant.send("GET", "/api/v2/fails", headers: [(name: "Accept", value: Self.problem)])
        #expect(try JSONText(checking: problem.body)["detail"]?.string == message)
        let xml = try await tenant.send("GET", "/api/v2/fails", headers: [(name: "Accept", value: Self.xml)])
        #expect(XMLReader.json(xml.text)?["error"]?["message"]?.string == message)
    }

    @Test func theFactsStayTheSame() async throws {
        let tenant = try await Self.tenant.value
        let reply = try await tenant.send("GET", "/api/v2/refuses", headers: [(name: "Accept", value: Self.problem)])
        #expect(reply.status == 409)
        let problem = try JSONText(checking: reply.body)
        #expect(problem["code"]?.integer == 77)
        #expect(problem["job_id"]?.string == reply.header("X-Scriptorium-Job"))
        let batch = try await tenant.send(
            "POST", "/api/v2/system/service", #"[{"name":"a b"},{"name":"c d"}]"#,
            headers: [
                (name: "X-DreamFactory-Session-Token", value: tenant.token), (name: "Accept", value: Self.problem),
            ])
        let failure = try JSONText(checking: batch.body)
        #expect(failure["code"]?.integer == 1000)
        #expect(failure["error"]?.text == "[0]")
        #expect(failure["resource"]?.elements.count == 2)
        let query = try await tenant.send("GET", "/api/v2/unknown?accept=application/xml")
        #expect(query.header("Content-Type") == Self.xml)
        let thrown = try await tenant.send("GET", "/api/v2/fails?accept=application/xml")
        #expect(thrown.header("Content-Type") == Self.xml)
    }

    @Test func thePlatformsOwnAnswersInOtherForms() async throws {
        let tenant = try await Self.tenant.value
        func get(_ path: String, accept: String) async throws -> HTTPReply {
            try await tenant.send(
                "GET", "/api/v2/system/\(path)",
                headers: [(name: "X-DreamFactory-Session-Token", value: tenant.token), (name: "Accept", value: accept)])
        }
        let csv = try await get("service?fields=name,type&order=name", accept: "text/csv")
        #expect(csv.text == "name,type\nfails,python3\nrefuses,nodejs\n")
        #expect(csv.header("Content-Type") == "text/csv")
        let xml = try await get("service?as_list=true&fields=name&order=name", accept: "application/xml")
        #expect(XMLReader.json(xml.text)?.text == #"{"resource":["fails","refuses"]}"#)
        let file = try await get("service?fields=name&filter=name=fails&file=services.csv", accept: "*/*")
        #expect(file.text == "name\nfails\n")
        #expect(file.header("Content-Disposition") == #"attachment; filename="services.csv""#)
        for accept in ["*/*", "text/html", "image/png", "text/plain"] {
            let reply = try await get("service?fields=name&filter=name=fails", accept: accept)
            #expect(reply.text == #"{"resource":[{"name":"fails"}]}"#)
            #expect(reply.header("Content-Type") == Self.json)
        }
    }

    /// The response of a job stays what its first caller would have got.
    @Test func aStoredResponseIsNotRenderedAgain() async throws {
        let tenant = try await TestInstallation.shared().tenant()
        try await tenant.save("answers", "python3", "return {'a': 1}")
        let reply = try await tenant.send("GET", "/api/v2/answers")
        let job = try #require(reply.header("X-Scriptorium-Job"))
        let stored = try await tenant.send(
            "GET", "/api/v2/jobs/\(job)/response?file=x.csv", headers: [(name: "Accept", value: Self.xml)])
        #expect(stored.text == #"{"a":1}"#)
        #expect(stored.header("Content-Type") == Self.json)
        #expect(stored.header("Content-Disposition") == nil)
    }
}
