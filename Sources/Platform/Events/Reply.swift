import Core

/// What a call has come to, while the scripts of its events look at it.
enum Reply {
    /// A script's answer, not yet rendered.
    case answer(Answer)
    /// The answer of a service of the platform's own.
    case response(ServiceResponse)
    /// With the error as the caller is to see it.
    case failed(ScriptFailure, shown: ServiceError)

    /// `event.response` after the service (dreamfactory.md §3.2).
    var view: JSONText {
        let answer = answer
        return .object([
            ("status_code", answer.status ?? .integer(200)),
            ("content_type", .string(answer.contentType)),
            ("content", answer.content),
            // The reference's numbers for a structure and for anything else.
            ("format", .integer([.object, .array].contains(answer.content.kind) ? 201 : 0)),
            (
                "headers",
                .object(
                    (answer.headers?.members ?? []).map { ($0.key, $0.value) }
                        + answer.extra.map { ($0.name, .string($0.value)) })
            ),
        ])
    }

    /// The reply as a script can change it.
    var answer: Answer {
        switch self {
        case .answer(let answer):
            guard let body = answer.rawBody else { return answer }
            return Answer(status: answer.status, content: .string(body), contentType: "text/html", extra: answer.extra)
        case .failed(_, let error):
            return Answer(
                status: .integer(error.status), content: error.json,
                extra: error.headers.filter { $0.name.lowercased() != "content-type" })
        case .response(let response):
            var answer = Answer(status: .integer(response.status))
            answer.extra = response.headers.filter { $0.name.lowercased() != "content-type" }
            let type = response.headers.first { $0.name.lowercased() == "content-type" }?.value
            let text = String(validating: response.body, as: UTF8.self)
            if type?.hasPrefix("application/json") == true, let text {
                answer.content = text.isEmpty ? .null : JSONText(trusted: text)
            } else {
                answer.content = .string(text ?? "--non-parsable-data--")
                answer.contentType = type
            }
            return answer
        }
    }

    /// The answer that a script which runs after the service has made of `event.response`; nil where it changed nothing.
    func edited(_ found: JSONText) -> Answer? {
        guard !found.isNull, !found.isLike(view) else { return nil }
        guard found.kind == .object else { return Answer(content: found) }
        var answer = answer
        if let status = found["status_code"], !status.isNull { answer.status = status }
        if let content = found["content"], !content.isLike(answer.content) {
            answer.content = content
            // What it was said to be was said of the old content: a structure is always JSON.
            if [.object, .array].contains(content.kind) { answer.contentType = nil }
        }
        if let type = found["content_type"]?.string, type != answer.contentType, !type.isEmpty {
            answer.contentType = type
        }
        let changes = found["headers"]?.members ?? []
        let names = Set(changes.map { $0.key.lowercased() })
        let kept = (answer.headers?.members ?? []).filter { !names.contains($0.key.lowercased()) }
        answer.headers = .object((kept + changes).map { ($0.key, $0.value) })
        answer.extra.removeAll { names.contains($0.name.lowercased()) }
        return answer
    }
}
