import Core
import Outbound
import TestSupport
import Testing

/// The ways to call a script and to get its answer (contract.md §4), with two ingresses and two workers.
@Suite struct InvokingTests {
    private func tenant(quotas: String = "{}") async throws -> TestTenant {
        try await TestInstallation.shared().tenant(quotas: quotas)
    }

    /// What differs between two answers that are the same: the HTTP server's own headers, and the job.
    private func essence(_ reply: HTTPReply) -> [String] {
        let own: Set<String> = [
            "date", "server", "x-request-id", "x-scriptorium-job", "preference-applied", "ratelimit",
            "ratelimit-policy",
        ]
        return ["\(reply.status)", reply.text]
            + reply.headers.filter { !own.contains($0.name.lowercased()) }.map { "\($0.name): \($0.value)" }.sorted()
    }

    private func location(_ reply: HTTPReply) throws -> String { try #require(reply.header("Location")) }

    @Test func aCallAnswersAtOnceWhicheverIngressIsAsked() async throws {
        let tenant = try await tenant()
        try await tenant.save("math", "python3", "return {'sum': int(event.request.payload.a) + 1}")
        for ingress in 0...1 {
            let reply = try await tenant.send("POST", "/api/v2/math", #"{"a":41}"#, ingress: ingress)
            #expect(reply.status == 200)
            #expect(reply.text == #"{"sum":42}"#)
            #expect(reply.header("X-Scriptorium-Job").flatMap(JobID.init) != nil)
            #expect(reply.header("X-Request-Id")?.isEmpty == false)
        }
    }

    @Test(arguments: ["nodejs", "php", "python3"])
    func theLaterAnswerIsTheSameByteForByte(language: String) async throws {
        let scripts = [
            "nodejs": "return {content:{b:[1,2.50,'é\\u2028'],a:null},status_code:201,headers:{'X-A':'b'}};",
            "php": "return ['content'=>['b'=>[1,2.5,'é/'],'a'=>null],'status_code'=>201,'headers'=>['X-A'=>'b']];",
            "python3": "return {'content':{'b':[1,2.5,'é/'],'a':None},'status_code':201,'headers':{'X-A':'b'}}",
        ]
        let tenant = try await tenant()
        try await tenant.save("same", language, try #require(scripts[language]))
        let now = try await tenant.send("GET", "/api/v2/same")
        #expect(now.status == 201)
        let accepted = try await tenant.send(
            "GET", "/api/v2/same", headers: [(name: "Prefer", value: "respond-async")], ingress: 0)
        #expect(accepted.status == 202)
        #expect(accepted.header("Retry-After") == "1")
        let body = try JSONText(checking: accepted.body)
        #expect(body.members.map(\.key) == ["id", "status", "href", "response_href"])
        #expect(body["status"]?.string == "queued")
        let path = try location(accepted)
        #expect(body["href"]?.string == path)
        // The other ingress answers for it as well.
        let later = try await tenant.send("GET", "\(path)/response?wait=30", ingress: 1)
        #expect(essence(later) == essence(now))
        let again = try await tenant.send("GET", "\(path)/response", ingress: 0)
        #expect(essence(again) == essence(now))
    }

    @Test func aWaitThatRunsOutGivesTheJob() async throws {
        let tenant = try await tenant()
        try await tenant.save("slow", "python3", "import time\ntime.sleep(2)\nreturn {'done':True}")
        let clock = ContinuousClock()
        let begun = clock.now
        let reply = try await tenant.send("GET", "/api/v2/slow", headers: [(name: "Prefer", value: "wait=1")])
        let waited = begun.duration(to: clock.now)
        #expect(reply.status == 202)
        #expect(waited >= .seconds(1))
        #expect(reply.header("Preference-Applied") == "wait=1")
        let path = try location(reply)
        #expect(try await tenant.send("GET", "\(path)/response").status == 202)
        let result = try await tenant.send("GET", "\(path)/response?wait=30")
        #expect(result.status == 200)
        #expect(result.text == #"{"done":true}"#)
    }

    @Test func theTenantsOwnWaitCounts() async throws {
        let tenant = try await tenant(quotas: #"{"sync_wait_seconds":0.3}"#)
        try await tenant.save("slow", "python3", "import time\ntime.sleep(1)\nreturn 1")
        #expect(try await tenant.send("GET", "/api/v2/slow").status == 202)
        #expect(
            try await tenant.send("GET", "/api/v2/slow", headers: [(name: "Prefer", value: "wait=20")]).status == 200)
    }

    @Test func theJobTellsItsStory() async throws {
        let tenant = try await tenant()
        try await tenant.save("story", "php", "echo 'once'; return ['id'=>$event['job']['id']];")
        let accepted = try await tenant.send("POST", "/api/v2/story/a/b?async=true", "{}")
        let path = try location(accepted)
        let job = try JSONText(checking: try await tenant.send("GET", "\(path)?wait=30").body)
        #expect(job["status"]?.string == "succeeded")
        #expect(job["service"]?.string == "story")
        #expect(job["resource"]?.string == "a/b")
        #expect(job["method"]?.string == "POST")
        #expect(job["attempt"]?.integer == 1)
        #expect(job["max_attempts"]?.integer == 3)
        #expect(job["error"]?.isNull == true)
        #expect((job["peak_memory_bytes"]?.integer ?? 0) > 100_000)
        #expect(job["run_ms"]?.integer != nil)
        let response = try await tenant.send("GET", "\(path)/response")
        #expect(try JSONText(checking: response.body)["id"]?.string == job["id"]?.string)
    }

    @Test func noLineOfAScriptIsLost() async throws {
        let tenant = try await tenant()
        try await tenant.save("leaf", "php", "echo 'leaf'; return 1;")
        try await tenant.save(
            "talker", "python3",
            "import time\nprint('first', flush=True)\nplatform.api.get('leaf')\nprint('second')\ntime.sleep(0.3)\n"
                + "for n in range(100): print(n)\nprint('last', end='')\nreturn 1")
        for _ in 0..<5 {
            let reply = try await tenant.send("GET", "/api/v2/talker")
            let job = try #require(reply.header("X-Scriptorium-Job"))
            let logs = try JSONText(checking: try await tenant.send("GET", "/api/v2/jobs/\(job)/logs").body)["resource"]
            let lines = logs?.elements.compactMap { $0["text"]?.string } ?? []
            #expect(lines.sorted() == (["first", "leaf", "second", "last"] + (0..<100).map { "\($0)" }).sorted())
            #expect(logs?.elements.compactMap { $0["seq"]?.integer } == Array(1...104))
        }
    }

    @Test func twoHundredCallersGetTheirOwnAnswers() async throws {
        let tenant = try await tenant()
        try await tenant.save("number", "python3", "return {'n': event.request.parameters.n}")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<200 {
                group.addTask {
                    let reply = try await tenant.send("GET", "/api/v2/number?n=\(number)")
                    #expect(reply.status == 200)
                    #expect(reply.text == #"{"n":"\#(number)"}"#)
                }
            }
            try await group.waitForAll()
        }
    }

    @Test func textSurvivesFromTheCallerToTheScriptAndBack() async throws {
        let tenant = try await tenant()
        try await tenant.save(
            "echo", "nodejs", "return {content:event.request.content, content_type:'application/json'};")
        let text = #"{"z":1,"a":12345678901234567890,"f":1.10,"e":1E5,"s":"é😀\u00e9\/"}"#
        let reply = try await tenant.send("POST", "/api/v2/echo", text)
        #expect(reply.text == text)
    }

    @Test func scriptsCallEachOther() async throws {
        let tenant = try await tenant()
        try await tenant.save("leaf", "php", "return ['got'=>$event['request']['payload']['n'] * 2];")
        try await tenant.save(
            "middle", "python3",
            "import json\nr = platform.api.post('leaf', {'n': event.request.payload.n})\n"
                + "return {'status': r.status, 'leaf': json.loads(r.read())}")
        try await tenant.save(
            "top", "nodejs",
            "return new Promise(ok => platform.api.post('middle', {n: 21}, null, "
                + "(body, response) => ok({code: response.statusCode, middle: JSON.parse(body)})));")
        let reply = try await tenant.send("GET", "/api/v2/top")
        #expect(reply.text == #"{"code":200,"middle":{"status":200,"leaf":{"got":42}}}"#)
        try await tenant.save("wrong", "php", "return $platform['api']->get('nothing-here');")
        #expect(try await tenant.send("GET", "/api/v2/wrong").status == 404)
    }

    @Test func aScriptThatCallsItselfWithoutEndIsStopped() async throws {
        let tenant = try await tenant(quotas: #"{"call_depth":3}"#)
        try await tenant.save(
            "endless", "python3",
            "r = platform.api.get('endless')\n"
                + "if r.status != 200: return {'content': r.read().decode(), 'status_code': r.status, "
                + "'content_type': 'application/json'}\nreturn 1")
        let reply = try await tenant.send("GET", "/api/v2/endless")
        #expect(reply.status == 508)
        #expect(try JSONText(checking: reply.body)["error"]?["context"]?["limit"]?.string == "call_depth")
    }

    @Test func aSavedScriptAnswersAtOnce() async throws {
        let tenant = try await tenant()
        let saved = try await tenant.save("version", "python3", "return 1")
        let id = try #require(try JSONText(checking: saved.body)["resource"]?.elements.first?["id"]?.integer)
        for number in 2...4 {
            let reply = try await tenant.send(
                "PATCH", "/api/v2/system/service/\(id)", #"{"config":{"content":"return \#(number)"}}"#,
                headers: [(name: "X-DreamFactory-Session-Token", value: tenant.token)], ingress: 0)
            #expect(reply.status == 200, "\(reply.text)")
            #expect(try await tenant.send("GET", "/api/v2/version", ingress: 0).text == "\(number)")
            try await eventually("the other ingress knows it", within: .seconds(5)) {
                try await tenant.send("GET", "/api/v2/version", ingress: 1).text == "\(number)"
            }
        }
    }
}
