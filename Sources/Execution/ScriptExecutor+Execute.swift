import Core

extension ScriptExecutor {
    /// Runs a script. Cancelling the calling task kills it and gives `.cancelled`.
    ///
    /// Waiting for a process counts into nothing; it ends after the wall limit and thirty seconds.
    /// - Parameter host: answers the script's calls, up to 16 at the same time, and gets its output on a thread that its
    ///   `log` must not block.
    public func execute(_ attempt: ScriptAttempt, host: some ScriptHost) async -> AttemptReport {
        let reuse = attempt.language == .nodejs ? attempt.reuse : nil
        let run = await Run(
            frame: attempt.frame(isReused: reuse != nil), limits: attempt.limits, tenant: attempt.tenant, reuse: reuse,
            log: host.log)
        await place(run, attempt.language, isScript: true, within: attempt.limits.wall + .seconds(30))
        await follow(run, host: host)
        return await run.end().report
    }

    /// Runs a script in a process of the same interpreter, started for it alone under the same confinement and with nothing
    /// done ahead: what a benchmark compares ``execute(_:host:)`` with.
    public func executeCold(_ attempt: ScriptAttempt, host: some ScriptHost) async -> AttemptReport {
        let run = await Run(
            frame: attempt.frame(isReused: false), limits: attempt.limits, tenant: attempt.tenant, log: host.log)
        await placeCold(run, attempt.language)
        await follow(run, host: host)
        return await run.end().report
    }

    /// Parses a script without running it.
    /// - Returns: what is wrong with it; nil where nothing is, and where it could not be found out.
    public func check(_ source: String, language: ScriptLanguage, name: String) async -> ScriptError? {
        let limits = AttemptLimits(wall: .seconds(10), logBytes: 0, responseBytes: 1 << 20, apiCalls: 0)
        let job = JSONText.object([("name", .string(name)), ("source", .string(source))])
        for _ in 0..<2 {
            let run = await Run(frame: FrameType.check.frame(job.text), limits: limits, log: { _ in })
            await place(run, language, isScript: false, within: limits.wall + .seconds(30))
            await follow(run, host: SilentHost())
            switch await run.end().report.ending {
            case .result(let result): return result.error
            case .cancelled: return nil
            case .lost: continue
            case .limit(let hit):
                return ScriptError(kind: .syntax, message: "The source can not be parsed within \(hit.value)")
            case .exited, .crashed, .violation:
                return ScriptError(kind: .syntax, message: "The source ends the parser of \(language.label)")
            }
        }
        return nil
    }

    /// Answers a run's calls until its outcome is decided.
    private func follow(_ run: Run, host: some ScriptHost) async {
        await withDiscardingTaskGroup { group in
            for await request in run.requests {
                group.addTask {
                    do throws(JSONError) {
                        let text =
                            switch try ScriptRequest.read(request.payload) {
                            case (let id, .call(let call)):
                                (request.isOverLimit ? .tooManyCalls : await host.call(call)).frameText(id: id)
                            case (let id, .question(let question)):
                                (request.isOverLimit ? .tooMany : await host.answer(question)).frameText(id: id)
                            }
                        await run.answer(request, FrameType.apiResponse.frame(text))
                    } catch {
                        await run.violate("the script sent a request that can not be read: \(error)")
                    }
                }
            }
            // The loop ends when the outcome is decided, and when this task is cancelled.
            group.cancelAll()
            if Task.isCancelled { await run.cancel() }
        }
    }
}

extension ScriptAttempt {
    /// What the harness is sent.
    /// - Parameter isReused: whether it may go on with another job afterwards.
    fileprivate func frame(isReused: Bool) -> [UInt8] {
        var fields: [(String, JSONText)] = [
            ("name", .string(name)), ("source", .string(source)), ("event", event), ("platform", platform),
            ("memory_bytes", .integer(limits.memoryBytes)),
        ]
        if isReused { fields.append(("reuse", .bool(true))) }
        let job = JSONText.object(fields)
        return FrameType.job.frame(job.text)
    }
}

/// A script that is only parsed asks nothing and says nothing.
private struct SilentHost: ScriptHost {
    func call(_ call: APICall) async -> APIReply { .tooManyCalls }
    func answer(_ question: ScriptQuestion) async -> ScriptAnswer { .tooMany }
    func log(_ line: LogLine) {}
}

extension Run.Ended {
    /// The report, with the result read.
    var report: AttemptReport {
        AttemptReport(ending: ending, usage: usage, logTruncated: logTruncated)
    }

    private var ending: AttemptReport.Ending {
        switch outcome {
        case .result(let payload):
            do throws(JSONError) {
                let result = try ScriptResult(payload: payload)
                // The interpreter has met the limit first, in whatever words its language has for that.
                switch result.error?.kind {
                case .memory: return .limit(limits.hit("memory_bytes"))
                case .files: return .limit(limits.hit("tmp_bytes"))
                case .processes: return .limit(limits.hit("max_processes"))
                default: break
                }
                // A script that copes with it has not failed.
                if result.error != nil, let key = exit?.limit { return .limit(limits.hit(key)) }
                return .result(result)
            } catch  where error.code == .tooDeep {
                let message = "The result can not be written as JSON: it is \(error)"
                return .result(ScriptResult(error: ScriptError(kind: .result, message: message)))
            } catch {
                return .violation("the script sent a result that can not be read: \(error)")
            }
        case .limit(let hit): return .limit(hit)
        case .violation(let what): return .violation(what)
        case .cancelled: return .cancelled
        case .lost(let why): return .lost(why)
        case .gone:
            guard let exit else { return .lost("the process ended and nobody told how") }
            if let key = exit.limitThatEnded { return .limit(limits.hit(key)) }
            if exit.hasRunOutOfMemory(saying: lastErrorLine) { return .limit(limits.hit("memory_bytes")) }
            if let signal = exit.signal { return .crashed(signal: signal, lastErrorLine: lastErrorLine) }
            return .exited(code: exit.code ?? 0, lastErrorLine: lastErrorLine)
        }
    }
}
