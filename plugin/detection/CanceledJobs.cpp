#include "CanceledJobs.h"

#include "notification/Notifications.h"

#include <utility>

namespace HangDetection {

void CanceledJobs::expect(std::span<const StalledJob> jobs, Clock::time_point mayWorkUntil)
{
    for (const StalledJob& job : jobs) {
        if (_jobs.size() < capacity || _jobs.contains(job.jobId))
            _jobs.insert_or_assign(job.jobId, Sent{job, mayWorkUntil});
    }
}

void CanceledJobs::answered(const Termination& job)
{
    const auto sent = _jobs.find(job.jobId);
    if (sent == _jobs.end())
        return;
    if (job.outcome == Outcome::canceled)
        sent->second.answer = job;
    else
        _jobs.erase(sent);
}

void CanceledJobs::settled()
{
    std::erase_if(_jobs, [](const auto& entry) { return !entry.second.answer; });
}

void CanceledJobs::report(JobStore& store, std::chrono::seconds patience, std::chrono::seconds threshold,
                          Clock::time_point now)
{
    if (_jobs.empty())
        return;
    std::vector<StalledJob> asked;
    for (const auto& [id, sent] : _jobs)
        asked.push_back(sent.job);
    try {
        // A job that is deleted has no answer.
        std::map<JobId, Sent> watched;
        for (const CanceledJob& job : store.findCanceled(asked)) {
            const auto sent = _jobs.find(job.jobId);
            if (sent != _jobs.end() && isToBeWatched(sent->second, job, patience, threshold, now))
                watched.insert(_jobs.extract(sent));
        }
        _jobs = std::move(watched);
    } catch (const DatabaseError&) {
        // This error does not make the run fail. If it lasts, the search gets it.
    }
}

bool CanceledJobs::isToBeWatched(Sent& sent, const CanceledJob& job, std::chrono::seconds patience,
                                 std::chrono::seconds threshold, Clock::time_point now)
{
    if (!sent.answer) {
        if (!job.isOurs)
            return now < sent.mayWorkUntil && !job.canceledAgo;
        Termination& answer = sent.answer.emplace();
        answer.jobId = job.jobId;
        answer.outcome = Outcome::canceled;
        answer.isCancel = true;
        answer.isAnswerLost = true;
        _notifications.postNotification(new JobCanceled(answer, threshold));
    }
    if (job.completedAfter)
        _notifications.postNotification(new CancelFollowed(job.jobId, *job.completedAfter));
    const bool isIgnored = !job.completedAfter && job.silent < patience && job.canceledAgo >= patience;
    if (isIgnored)
        _notifications.postNotification(new CancelIgnored(*sent.answer, *job.canceledAgo));
    // A cancel that something took back is left to the search.
    return job.canceledAgo && !job.completedAfter && !isIgnored;
}

} // namespace HangDetection
