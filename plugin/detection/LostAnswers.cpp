#include "LostAnswers.h"

#include <algorithm>
#include <map>
#include <utility>

namespace HangDetection {

namespace {

void drop(std::vector<SeenJob>& jobs, const JobId& answered)
{
    std::erase_if(jobs, [&](const SeenJob& job) { return job.jobId == answered; });
}

} // namespace

void LostAnswers::expect(std::span<const SeenJob> jobs, const Attempt& attempt,
                         Clock::time_point mayWorkUntil)
{
    if (_attempts.size() == capacity)
        _attempts.erase(_attempts.begin());
    _attempts.push_back({attempt, mayWorkUntil});
    _attempts.back().jobs.assign(jobs.begin(), jobs.end());
}

void LostAnswers::answered(const Termination& job)
{
    // An earlier statement may be what has locked the job.
    const bool isOnlyOfTheLast = job.outcome == Outcome::locked;
    const std::span attempts(_attempts);
    for (Sent& attempt : isOnlyOfTheLast ? attempts.last(1) : attempts)
        drop(attempt.jobs, job.jobId);
}

void LostAnswers::lost(std::chrono::microseconds now)
{
    for (Sent& attempt : _attempts) {
        if (attempt.until == std::chrono::microseconds::max())
            attempt.until = now;
    }
}

void LostAnswers::ask(JobStore& store, Clock::time_point now, const Report& report)
{
    std::map<JobId, std::pair<Termination, Thresholds>> found;
    const auto answersTo = [&](Sent& attempt) -> std::vector<Termination> {
        try {
            return store.findLost(attempt);
        } catch (const DatabaseError& error) {
            if (error.scope() != DatabaseError::Scope::job)
                throw;
            attempt.jobs.clear(); // the server would refuse it again
            return {};
        }
    };
    for (Sent& attempt : _attempts) {
        if (attempt.jobs.empty())
            continue;
        for (const Termination& job : answersTo(attempt)) {
            const auto [known, isNew] = found.try_emplace(job.jobId, job, attempt.thresholds);
            // A job may have been sent twice. Then only one of the statements has terminated it.
            if (!isNew && job.outcome == Outcome::terminated)
                known->second = {job, attempt.thresholds};
        }
    }
    for (const auto& [id, answer] : found) {
        report(answer.first, answer.second);
        for (Sent& attempt : _attempts)
            drop(attempt.jobs, id);
    }
    std::erase_if(_attempts,
                  [&](const Sent& attempt) { return attempt.jobs.empty() || now >= attempt.mayWorkUntil; });
}

} // namespace HangDetection
