#pragma once

#include "data/Job.h"
#include "data/JobStore.h"

#include <chrono>
#include <cstddef>
#include <functional>
#include <span>
#include <vector>

namespace HangDetection {

class LostAnswers
/// Terminations whose answers were not reported: the connection ended, or memory was short. It is unknown
/// whether such a statement was committed, so a later run asks the database. Used by one thread.
{
public:
    using Clock = std::chrono::steady_clock;

    void expect(std::span<const SeenJob> jobs, const Attempt& attempt, Clock::time_point mayWorkUntil);
    /// Call it before the jobs are sent: memory may be short when their answers are lost. The server ends
    /// their statement by that time, even when the connection is gone.

    void answered(const Termination& job);
    /// Call it when the answer is reported.

    void settled() { _attempts.pop_back(); }
    /// The last jobs that were sent, and are not answered, are untouched.

    void lost(std::chrono::microseconds now);
    /// Call it at the end of a run, with the time of the database: answers to what the run has sent, and that
    /// are still missing, are lost.

    void forget() { _attempts.clear(); }

    using Report = std::function<void(const Termination&, const Thresholds&)>;

    void ask(JobStore& store, Clock::time_point now, const Report& report);
    /// Reports the jobs that are completed, with the thresholds of the attempt. Later calls ask again for the
    /// other jobs, while their statement may still be at work. Throws DatabaseError.

    static constexpr std::size_t capacity = 10;
    /// How many statements without an answer are remembered. A run ends at the first, and asks about those
    /// before it, so there are more only if jobs make statement after statement fail.

private:
    struct Sent : Attempt
    {
        Clock::time_point mayWorkUntil;
    };

    std::vector<Sent> _attempts;
};

} // namespace HangDetection
