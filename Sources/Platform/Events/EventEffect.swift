import Core

/// What a script of an event did, as far as it may (dreamfactory.md §7.4).
struct EventEffect {
    /// `event.request` as it is to be from now on; nil where it stays.
    var request: JSONText?
    /// `event.response` as the script left it; nil where it does not count.
    var response: JSONText?
    /// An answer that the script returned, or printed with `exit`.
    var answer: Answer?
    var stopsPropagation = false

    /// - Throws: ``ScriptFailure`` for whatever ends the call, allowed or not: an exception, a returned error, a limit.
    init(_ script: EventScript, _ report: AttemptReport, _ reading: ResultReading) throws(ScriptFailure) {
        guard let result = try reading.result(of: report.ending) else { return }
        stopsPropagation = result.stopsPropagation
        // In the reference `exit` ends the request with what was printed, whatever the script may change.
        if let printed = Answer(printedBy: result) {
            answer = printed
            return
        }
        let returned = try reading.returned(result)
        guard script.allowsModification else { return }
        switch script.stage {
        case .before:
            // What is returned stands for the event, and of it only these two count.
            let event = returned ?? result.event
            request = event?["request"]
            response = event?["response"].flatMap { $0.isEmptyForPHP ? nil : $0 }
            // Whoever only sets a status on the empty response means a response without content.
            if let response, response["content"] == nil, response["status_code"] != nil {
                answer = Self.response(response)
            }
        case .after:
            if let returned {
                let isResponse = returned["content"] != nil || returned["status_code"] != nil
                answer = isResponse ? Self.response(returned) : ResultReading.answer(returned["response"] ?? returned)
            } else {
                response = result.response
            }
        case .plain, .queued: break
        }
    }

    private static func response(_ value: JSONText) -> Answer {
        Answer(
            status: value["status_code"], content: value["content"] ?? .null,
            contentType: value["content_type"]?.string, headers: value["headers"])
    }
}
