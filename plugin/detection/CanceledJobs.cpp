#include "CanceledJobs.h"

#include "notification/Notifications.h"

#include <utility>

namespace HangDetection {

namespace {

Termination cancelOf(const CanceledJob& job)
{
    Termination answer;
    answer.jobId = job.jobId;
    answer.outcome = Outcome::canceled;
    answer.isCancel = true;
    answer.workspaceId = job.workspaceId;
    return answer;
}

} // namespace

void CanceledJobs::watch(const Watched& job)
{
    if (_jobs.size() < capacity || _jobs.contains(job.job.jobId))
        _jobs.insert_or_assign(job.job.jobId, job);
}

void CanceledJobs::takeOverSent()
/// Their answers are lost.
{
    for (const Watched& job : std::exchange(_sent, {}))
        watch(job);
}

void CanceledJobs::expect(std::span<const StalledJob> jobs, Clock::time_point mayWorkUntil)
{
    takeOverSent();
    for (const StalledJob& job : jobs)
        _sent.push_back({job, mayWorkUntil});
}

void CanceledJobs::answered(const Termination& job)
{
    const auto sent =
        std::ranges::find_if(_sent, [&](const Watched& one) { return one.job.jobId == job.jobId; });
    if (sent == _sent.end())
        return;
    if (job.outcome == Outcome::canceled) {
        sent->isAnswered = true;
        watch(*sent);
    } else if (job.outcome != Outcome::locked) {
        // An earlier statement may be what has locked the job.
        _jobs.erase(job.jobId);
    }
    _sent.erase(sent);
}

void CanceledJobs::forget()
{
    _jobs.clear();
    _sent.clear();
    _isNew = true;
}

void CanceledJobs::report(JobStore& store, std::chrono::seconds patience, std::chrono::seconds threshold,
                          Clock::time_point now)
{
    takeOverSent();
    if (_isNew) {
        for (const JobId& job : store.findRunningCancels()) {
            if (!_jobs.contains(job))
                watch({.job = {job, 0}, .mayWorkUntil = now, .isAnswered = true});
        }
        _isNew = false;
    }
    if (_jobs.empty())
        return;
    std::vector<StalledJob> asked;
    for (const auto& [id, watched] : _jobs)
        asked.push_back(watched.job);
    std::vector<Termination> ignored;
    // A job that is deleted has no answer.
    std::map<JobId, Watched> left;
    for (const CanceledJob& job : store.findCanceled(asked)) {
        const auto watched = _jobs.find(job.jobId);
        if (watched == _jobs.end() || !isToBeWatched(watched->second, job, threshold, now))
            continue;
        if (watched->second.isAnswered && job.silent < patience && job.canceledAgo >= patience) {
            ignored.push_back(cancelOf(job));
            ignored.back().silent = *job.canceledAgo;
        } else {
            left.insert(_jobs.extract(watched));
        }
    }
    _jobs = std::move(left);
    store.addNames(ignored);
    for (const Termination& job : ignored)
        _notifications.postNotification(new CancelIgnored(job, job.silent));
}

bool CanceledJobs::isToBeWatched(Watched& watched, const CanceledJob& job, std::chrono::seconds threshold,
                                 Clock::time_point now)
{
    if (!watched.isAnswered) {
        if (!job.isOurs)
            return now < watched.mayWorkUntil && !job.canceledAgo;
        watched.isAnswered = true;
        Termination answer = cancelOf(job);
        answer.isAnswerLost = true;
        _notifications.postNotification(new JobCanceled(answer, threshold));
    }
    if (job.completedAfter && !job.isTerminated)
        _notifications.postNotification(new CancelFollowed(job.jobId, *job.completedAfter));
    // A cancel that something took back is left to the search.
    return job.canceledAgo && !job.completedAfter;
}

} // namespace HangDetection
