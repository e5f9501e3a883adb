import Core

/// Processes that have served a job and wait for the next one of the same key.
@PollThread
final class ReusePool {
    private struct Kept {
        var process: Confined
        var key: ReuseKey
        var timer: Poller.Timer
    }

    let rules: ReuseRules
    /// Rings when a process has become free.
    private let bell: Bell
    /// The one that has waited longest comes first.
    private var kept: [Kept] = []

    init(_ rules: ReuseRules, bell: Bell) {
        self.rules = rules
        self.bell = bell
    }

    /// The process that has served this key last; it is the caller's from now on.
    func take(_ key: ReuseKey) -> Confined? {
        guard let index = kept.lastIndex(where: { $0.key == key }) else { return nil }
        return remove(at: index)
    }

    /// Keeps a process for the next job of its key.
    func keep(_ process: Confined, for key: ReuseKey) {
        let timer = Poller.shared.after(rules.idleTime) { [weak self, weak process] in
            if let process { self?.end(process) }
        }
        kept.append(Kept(process: process, key: key, timer: timer))
        while kept.count > rules.mostIdle { remove(at: 0).kill() }
        bell.ring()
    }

    /// The process has ended, or must.
    func end(_ process: Confined) {
        guard let index = kept.firstIndex(where: { $0.process === process }) else { return }
        remove(at: index).kill()
    }

    @discardableResult
    private func remove(at index: Int) -> Confined {
        let gone = kept.remove(at: index)
        Poller.shared.cancel(gone.timer)
        return gone.process
    }
}
