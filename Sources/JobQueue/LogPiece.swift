import Core

/// Some lines of a script's output, sealed.
public struct LogPiece: Sendable {
    public var job: JobID
    public var attempt: Int
    public var worker: WorkerID
    /// Counted within the attempt and its worker.
    public var piece: Int32
    public var lineCount: Int32
    /// A sealed JSON array of `{"at","stream","text"}`.
    public var lines: [UInt8]

    public init(job: JobID, attempt: Int, worker: WorkerID, piece: Int32, lineCount: Int32, lines: [UInt8]) {
        self.job = job
        self.attempt = attempt
        self.worker = worker
        self.piece = piece
        self.lineCount = lineCount
        self.lines = lines
    }

    /// Binds sealed lines to their job and place.
    public var label: String { Self.label(job, attempt: attempt, worker: worker.rawValue, piece: piece) }

    public static func label(_ job: JobID, attempt: Int, worker: Int64, piece: Int32) -> String {
        "log:\(job):\(attempt):\(worker):\(piece)"
    }
}
