#include "JobAllocations.h"

#include "notification/Notifications.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

namespace HangDetection {

namespace {

bool isOf(const SchedulerJob& job, const JobAllocations::Release& release)
/// Whether this job of the scheduler ran what is over. In doubt it did not: a job that is left is better than
/// a daemon that is lost.
{
    return !release.silent ||
           (job.startedAgo && *job.startedAgo > *release.silent + JobAllocations::unnoticedLead);
}

} // namespace

JobAllocations::JobAllocations(std::unique_ptr<Scheduler> scheduler, Poco::NotificationCenter& notifications)
    : _scheduler(std::move(scheduler)), _notifications(notifications)
{}

void JobAllocations::use(Rules rules)
{
    _isUnfinished = _isUnfinished || (rules.areReleased && !_rules.areReleased);
    _rules = std::move(rules);
}

bool JobAllocations::isDue() const
{
    return isAsked() &&
           (_isUnfinished || _isUnknown || _mayBeMarked || _scheduler->marksSeen() != _marksSeen);
}

bool JobAllocations::isTrusted(const SchedulerJob& job) const
{
    return _rules.trusted.empty() || _rules.trusted.contains(job.user);
}

std::vector<SchedulerJob> JobAllocations::trusted() const
{
    std::vector<SchedulerJob> jobs;
    for (const auto* const listed : {&_marked, &_ended})
        std::ranges::copy_if(*listed, std::back_inserter(jobs),
                             [this](const auto& job) { return isTrusted(job); });
    return jobs;
}

std::vector<std::string> JobAllocations::daemons() const
{
    std::set<std::string> names;
    for (const SchedulerJob& job : _marked) {
        if (job.mark.kind == Mark::Kind::daemon)
            names.insert(job.mark.text);
    }
    return {names.begin(), names.end()};
}

void JobAllocations::learn(std::span<const MarkedJob> ofDaemons, Clock::duration retention)
{
    const auto now = Clock::now();
    std::erase_if(_pausedAt, [&](const auto& entry) { return now - entry.second >= retention; });
    if (!isAsked() || _isUnknown)
        return;
    _trusted.clear();
    std::multimap<Mark, JobId> jobsOf;
    for (const MarkedJob& job : ofDaemons)
        jobsOf.emplace(job.mark, job.job.jobId);
    const auto learnOf = [&](const JobId& job, const SchedulerJob& allocation) {
        _trusted.insert(job);
        // Slurm does not record when a signal stops or continues a job, so the time of the question counts.
        const auto ago = allocation.isSuspended ? std::chrono::seconds(0) : allocation.resumedAgo;
        if (!ago)
            return;
        auto& paused = _pausedAt.try_emplace(job, now - *ago).first->second;
        paused = std::max(paused, now - *ago);
    };
    for (const SchedulerJob& job : _marked) {
        if (!isTrusted(job))
            continue;
        if (job.mark.kind == Mark::Kind::job) {
            learnOf(job.mark.text, job);
            continue;
        }
        const auto [begin, end] = jobsOf.equal_range(job.mark);
        for (auto ofDaemon = begin; ofDaemon != end; ++ofDaemon)
            learnOf(ofDaemon->second, job);
    }
    if (_pausedAt.size() > capacity) {
        std::vector<Clock::time_point> times;
        for (const auto& [job, paused] : _pausedAt)
            times.push_back(paused);
        const auto oldest = times.begin() + static_cast<std::ptrdiff_t>(times.size() - capacity);
        std::ranges::nth_element(times, oldest);
        std::erase_if(_pausedAt, [&](const auto& entry) { return entry.second < *oldest; });
    }
}

std::set<JobId> JobAllocations::explained(Clock::duration threshold) const
{
    std::set<JobId> jobs;
    for (const JobId& job : suspended(threshold)) {
        // A Slurm job that has ended explains no silence any more.
        if (_isUnknown || _trusted.contains(job))
            jobs.insert(job);
    }
    return jobs;
}

std::vector<JobId> JobAllocations::suspended(Clock::duration threshold) const
{
    std::vector<JobId> jobs;
    if (!isAsked())
        return jobs;
    const auto now = Clock::now();
    for (const auto& [job, paused] : _pausedAt) {
        if (now - paused < threshold)
            jobs.push_back(job);
    }
    return jobs;
}

std::vector<JobId> JobAllocations::marked() const
{
    std::set<JobId> jobs;
    for (const SchedulerJob& job : _marked) {
        if (job.mark.kind == Mark::Kind::job)
            jobs.insert(job.mark.text);
    }
    return {jobs.begin(), jobs.end()};
}

RunLimit JobAllocations::patientLimit(const RunLimit& limit)
{
    return limit.within(std::min<Clock::duration>(patience, (limit.deadline - Clock::now()) / 2));
}

void JobAllocations::ask(const RunLimit& limit)
{
    _marked.clear();
    _ended.clear();
    if (!isAsked())
        return;
    _isUnfinished = _rules.areReleased;
    // Slurm lists a job a moment after its mark is seen. So the number is read before the question.
    const auto seenBefore = std::exchange(_marksSeen, _scheduler->marksSeen());
    try {
        _marked = _scheduler->markedJobs(patientLimit(limit));
        _mayBeMarked = !_marked.empty() || _marksSeen != seenBefore;
        const auto ended = std::stable_partition(_marked.begin(), _marked.end(), [](const SchedulerJob& job) {
            return !job.endedAgo.has_value();
        });
        _ended.assign(ended, _marked.end());
        _marked.erase(ended, _marked.end());
        // Waiting jobs come first: otherwise they would start on the nodes that the other releases free.
        std::stable_partition(_marked.begin(), _marked.end(), std::mem_fn(&SchedulerJob::isWaiting));
        if (std::exchange(_isUnknown, false))
            _notifications.postNotification(new AllocationsKnown);
    } catch (const SchedulerError& error) {
        if (limit.stop.stop_requested())
            throw RunStopped();
        if (!std::exchange(_isUnknown, true))
            _notifications.postNotification(new AllocationsUnknown(error.what()));
    }
}

std::optional<std::int64_t> JobAllocations::tellLeftover(const std::set<JobId>& over)
{
    if (!isAsked() || _isUnknown)
        return std::nullopt;
    std::set<std::string> leftover;
    for (const SchedulerJob& job : _marked) {
        if (job.mark.kind != Mark::Kind::job || !over.contains(job.mark.text))
            continue;
        leftover.insert(job.name);
        if (!_leftover.contains(job.name))
            _notifications.postNotification(new AllocationLeftover(job.mark.text, job.name));
    }
    _leftover = std::move(leftover);
    return _leftover.size();
}

void JobAllocations::release(const std::map<Mark, Release>& over, const RunLimit& limit)
{
    if (!isAsked() || _isUnknown)
        return;
    const RunLimit patient = patientLimit(limit);
    bool isAllReleased = true;
    std::set<std::string> gone;
    for (const SchedulerJob& job : _marked) {
        const auto entry = over.find(job.mark);
        if (entry == over.end() || !isOf(job, entry->second) || !_rules.areReleased)
            continue;
        if (patient.isReached()) {
            isAllReleased = false;
            break;
        }
        try {
            const bool isReleased = _scheduler->release(job, entry->second.reason, patient);
            gone.insert(job.name);
            if (isReleased)
                _notifications.postNotification(new AllocationReleased(job.mark, job.name));
            // The scheduler's next answer names the rest of an array, and has the new name of a job.
            isAllReleased = isAllReleased && isReleased && !job.isPart;
        } catch (const SchedulerError& error) {
            isAllReleased = false;
            if (limit.stop.stop_requested())
                break;
            const bool isNew = _kept.insert(job.name).second;
            _notifications.postNotification(new AllocationKept(job.mark, job.name, error.what(), !isNew));
        }
    }
    std::erase_if(_marked, [&](const SchedulerJob& job) { return gone.contains(job.name); });
    if (isAllReleased) {
        _isUnfinished = false;
        _kept.clear();
    }
}

} // namespace HangDetection
