/// The process that runs a script: a fork of a zygote, or a parked process.
@PollThread
protocol ScriptProcess: AnyObject, Sendable {
    /// Kills it and its group; nothing where it has ended.
    func kill()

    /// Its result has arrived, behind which it has nothing more to say.
    func hasAnswered()

    /// It says that it could serve another job, on the same channels.
    /// - Returns: what it has used since its start, where it is kept for that; nil where it ends.
    func release(_ channels: ScriptChannels) -> Exit?
}

extension ScriptProcess {
    func hasAnswered() {}

    func release(_ channels: ScriptChannels) -> Exit? {
        kill()
        return nil
    }
}

/// What connects a script's process with the executor.
@PollThread
struct ScriptChannels {
    var frames: FrameSocket
    var output: LogPipe
    var error: LogPipe

    func close() {
        output.close()
        error.close()
        frames.close()
    }
}
