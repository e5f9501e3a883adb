import Core
import Outbound
import TestSupport
import Testing

/// A tenant of a world of the tests' own whose scripts call what they are told to.
struct OutsideCaller {
    struct Call {
        var verb = "GET"
        let path: String
        var payload = "null"
        var options = "{}"

        var text: String { "[\(JSONText.quoted(verb)),\(JSONText.quoted(path)),\(payload),\(options)]" }
    }

    let tenant: TestTenant

    init(in world: OutsideWorld, quotas: String = "{}", languages: [String] = ["python3"]) async throws {
        tenant = try await world.installation.tenant(quotas: quotas)
        for language in languages {
            try await tenant.save("\(language)-caller", language, try #require(Self.callers[language]))
        }
    }

    /// What a script gets for calls that it makes, and the lines of its log.
    func make(
        _ calls: [Call], language: String = "python3", headers: [(name: String, value: String)] = []
    ) async throws -> (results: [JSONText], log: [String]) {
        let body = #"{"calls":[\#(calls.map(\.text).joined(separator: ","))]}"#
        let reply = try await tenant.send("POST", "/api/v2/\(language)-caller", body, headers: headers)
        try #require(reply.status == 200, "\(reply.text)")
        let job = try #require(reply.header("X-Scriptorium-Job"))
        let logs = try JSONText(checking: try await tenant.send("GET", "/api/v2/jobs/\(job)/logs").body)["resource"]
        let results = try JSONText(checking: reply.body).elements
        try #require(results.count == calls.count)
        return (results, logs?.elements.compactMap { $0["text"]?.string } ?? [])
    }

    func make(
        _ call: Call, language: String = "python3", headers: [(name: String, value: String)] = []
    ) async throws -> JSONText {
        try #require(try await make([call], language: language, headers: headers).results.first)
    }

    /// Makes the calls of its payload, and returns what each gave.
    private static let callers = [
        "nodejs": """
        const calls = event.request.payload.calls.map(async (call) => {
          const r = await platform.api.call(...call);
          return {status: r.statusCode, body: r.body, headers: r.headers};
        });
        return Promise.all(calls);
        """,
        "php": """
        $out = [];
        foreach ($event['request']['payload']['calls'] as [$verb, $path, $payload, $options]) {
            $r = $platform['api']->call($verb, $path, $payload, $options);
            $out[] = ['status' => $r['status_code'], 'body' => $r['content'], 'headers' => $r['headers']];
        }
        return $out;
        """,
        "python3": """
        out = []
        for verb, path, payload, options in event.request.payload.calls:
            r = platform.api.call(verb, path, payload, options)
            out.append({'status': r.status, 'body': r.read().decode(), 'headers': dict(r.getheaders())})
        return out
        """,
    ]
}

/// What a server of the world has seen of the call whose answer this is.
func reached(_ result: JSONText) throws -> JSONText {
    let body = try #require(result["body"])
    return try #require(try body.string.map { try JSONText(checking: $0) }?["reached"] ?? body["reached"], "\(result)")
}
