import Core
import Testing

@Suite struct JobTests {
    @Test func anIDIsAUUIDOfVersion7() throws {
        let id = JobID(milliseconds: 1_795_232_891_123)
        let text = id.description
        #expect(text.count == 36)
        #expect(text[text.index(text.startIndex, offsetBy: 14)] == "7")
        #expect("89ab".contains(text[text.index(text.startIndex, offsetBy: 19)]))
        #expect(id.milliseconds == 1_795_232_891_123)
        #expect(JobID(text) == id)
        #expect(JobID(text.uppercased()) == id)
        #expect(JobID(bytes: id.bytes) == id)
        #expect(Set((0..<1000).map { _ in JobID(milliseconds: 5) }).count == 1000)
    }

    @Test(arguments: [
        "", "x", "00000000-0000-4000-8000-000000000000", "019aa3f1-1c2d-7000-c000-000000000000",
        "019aa3f1-1c2d-7000-8000-00000000000", "019aa3f1_1c2d_7000_8000_000000000000",
        "019aa3f1-1c2d-7000-8000-00000000000é", "019aa3f1-1c2d-7000-8000-0000000000zz",
    ])
    func whatIsNoneIsRefused(text: String) {
        #expect(JobID(text) == nil)
    }

    @Test func aPayloadSurvivesItsSealing() throws {
        let user = Session.User(
            id: 4, name: "Ada", firstName: "A", lastName: nil, email: "a@b.c", isAdmin: false, lastLogin: nil)
        let role = Role(
            id: 2, name: "r",
            accesses: [Role.Access(service: nil, component: "*", verbMask: 31, requestorMask: 3)])
        let session = Session(
            tenant: TenantID(rawValue: 9), apiKey: "k", token: "t", appID: 3, user: user, role: role)
        let request = ServiceRequest(
            verb: .patch, service: "math", resource: "a/b", query: "x=1",
            headers: [(name: "a", value: "1"), (name: "a", value: "2")], body: [0, 255, 1])
        let trace = try #require(
            TraceContext(traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", tracestate: "a=1"))
        let payload = JobPayload(request: request, session: session, requestID: "r-1", trace: trace)
        let read = try #require(JobPayload(bytes: payload.bytes, tenant: session.tenant))
        #expect(read.request.verb == .patch)
        #expect(read.request.resource == "a/b")
        #expect(read.request.header("a") == "1,2")
        #expect(read.request.body == [0, 255, 1])
        #expect(read.session.user == user)
        #expect(read.session.role == role)
        #expect(read.session.apiKey == "k")
        #expect(read.requestID == "r-1")
        #expect(JobPayload(bytes: [1, 2], tenant: session.tenant) == nil)
        #expect(JobPayload(bytes: [255, 255, 255, 255], tenant: session.tenant) == nil)
    }

    @Test func anOutcomeSurvivesItsSealing() throws {
        let outcome = JobOutcome(
            response: ServiceResponse(status: 201, headers: [(name: "X-A", value: "b")], body: [1, 2]),
            error: .object([("message", .string("m"))]))
        let read = try #require(JobOutcome(bytes: outcome.bytes))
        #expect(read.response.status == 201)
        #expect(read.response.headers.first?.value == "b")
        #expect(read.response.body == [1, 2])
        #expect(read.error["message"]?.string == "m")
    }
}
