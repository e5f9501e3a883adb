/// Cuts what a child sends into frames. The child is hostile: a length is judged before anything is kept for it.
struct FrameDecoder {
    struct Frame: Equatable {
        var type: FrameType
        var payload: [UInt8]
    }

    enum Fault: Error, Equatable {
        /// No frame of this type may come from a child.
        case type(UInt8)
        /// The payload is longer than it may be.
        case length(FrameType, Int)
    }

    /// The largest `platform.api` request, in bytes.
    static let requestLimit = 16 << 20

    /// The largest result, in bytes.
    let resultLimit: Int
    private var header: [UInt8] = []
    private var frame: (type: FrameType, length: Int)?
    private var payload: [UInt8] = []

    /// How much of a result has arrived that is not whole yet, in bytes.
    var partOfResult: (arrived: Int, length: Int)? {
        guard let frame, frame.type == .result else { return nil }
        return (payload.count, frame.length)
    }

    init(resultLimit: Int) {
        self.resultLimit = resultLimit
        header.reserveCapacity(5)
    }

    /// Takes bytes off the front of `bytes`; a frame where one is whole, nil where `bytes` is used up before.
    mutating func next(_ bytes: inout ArraySlice<UInt8>) throws(Fault) -> Frame? {
        while true {
            if let (type, length) = frame {
                let piece = bytes.prefix(length - payload.count)
                payload.append(contentsOf: piece)
                bytes = bytes.dropFirst(piece.count)
                guard payload.count == length else { return nil }
                defer { (frame, payload) = (nil, []) }
                return Frame(type: type, payload: payload)
            }
            let piece = bytes.prefix(5 - header.count)
            header.append(contentsOf: piece)
            bytes = bytes.dropFirst(piece.count)
            guard header.count == 5 else { return nil }
            frame = try read(header)
            header.removeAll(keepingCapacity: true)
        }
    }

    private func read(_ header: [UInt8]) throws(Fault) -> (FrameType, Int) {
        let length = header.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
        let type = FrameType(rawValue: header[4])
        let limit =
            switch type {
            case .ready: 64
            case .apiRequest: Self.requestLimit
            case .result: resultLimit
            case .job, .apiResponse, .check, nil: -1
            }
        guard let type, limit >= 0 else { throw .type(header[4]) }
        guard length <= limit else { throw .length(type, length) }
        return (type, length)
    }
}
