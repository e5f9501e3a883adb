/// The process that runs a script: a fork of a zygote, or a parked process.
@PollThread
protocol ScriptProcess: AnyObject, Sendable {
    /// Kills it and its group; nothing where it has ended.
    func kill()
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
