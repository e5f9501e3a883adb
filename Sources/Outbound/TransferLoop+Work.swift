import CHost
import CLibCurl

extension TransferLoop {
    /// What the loop's thread has in hand.
    struct Work {
        let multi: UnsafeMutableRawPointer
        /// As many transfers are under way at once: each has a connection of its own.
        let maxConnections: Int
        private var underWay: [UnsafeMutableRawPointer: Transfer] = [:]
        /// Those that came later, in order. libcurl has such a queue too, but forgets the time there (7.88).
        private var waiting: [Transfer] = []

        init(multi: UnsafeMutableRawPointer, maxConnections: Int) {
            self.multi = multi
            self.maxConnections = maxConnections
        }

        mutating func add(_ arrived: [Transfer]) { waiting += arrived }

        /// Does what can be done now, and then waits until there is more.
        mutating func move() {
            begin()
            var running: Int32 = 0
            var failure = curl_multi_perform(multi, &running)
            var result = CURLE_OK
            var hasRoom = false
            while let handle = host_curl_next_ended(multi, &result) {
                guard let transfer = underWay[handle] else { continue }
                end(transfer, transfer.outcome(result))
                hasRoom = true
            }
            if failure == CURLM_OK {
                failure = curl_multi_poll(multi, nil, 0, hasRoom && !waiting.isEmpty ? 0 : patience, nil)
            }
            if failure != CURLM_OK { endAll(OutboundError(failure)) }
        }

        /// Ends a transfer that is in hand, and no other.
        mutating func end(_ transfer: Transfer, _ outcome: Result<HTTPReply, OutboundError>) {
            if underWay.removeValue(forKey: transfer.handle) != nil {
                curl_multi_remove_handle(multi, transfer.handle)
            } else if let index = waiting.firstIndex(where: { $0 === transfer }) {
                waiting.remove(at: index)
            } else {
                return
            }
            transfer.end(outcome)
        }

        mutating func endAll(_ error: OutboundError) {
            for transfer in Array(underWay.values) + waiting { end(transfer, .failure(error)) }
        }

        /// Gives libcurl what there is room for, and ends what has waited too long.
        private mutating func begin() {
            guard !waiting.isEmpty else { return }
            let now = ContinuousClock.now
            for transfer in waiting where transfer.deadline <= now {
                end(transfer, .failure(OutboundError(CURLE_OPERATION_TIMEDOUT)))
            }
            let next = waiting.prefix(maxConnections - underWay.count)
            waiting.removeFirst(next.count)
            for transfer in next {
                transfer.limitTime()
                let failure = curl_multi_add_handle(multi, transfer.handle)
                if failure == CURLM_OK {
                    underWay[transfer.handle] = transfer
                } else {
                    transfer.end(.failure(OutboundError(failure)))
                }
            }
        }

        /// Milliseconds until the next deadline of those that wait. It is woken before, or libcurl has something to do;
        /// the second is for the day when there is no descriptor left to wake it by.
        private var patience: Int32 {
            guard let deadline = waiting.lazy.map(\.deadline).min() else { return 1000 }
            return Int32(min(max((deadline - .now) / .milliseconds(1), 0) + 1, 1000))
        }
    }
}
