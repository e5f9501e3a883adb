import Core
import Outbound

/// An HTTP answer as one object.
enum AnswerView {
    static func json(_ reply: HTTPReply) -> JSONText {
        let body = (try? JSONText(checking: reply.body)) ?? .string(reply.text)
        let headers = reply.headers.map { ($0.name, JSONText.string($0.value)) }
        return .object([("status", .integer(reply.status)), ("headers", .object(headers)), ("body", body)])
    }
}
