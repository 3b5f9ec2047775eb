#include "WorkerEnds.h"

#include "notification/Notifications.h"

#include <algorithm>
#include <set>
#include <utility>

namespace HangDetection {

namespace {

using Clock = WorkerEnds::Clock;
using std::chrono::ceil;
using std::chrono::seconds;

bool ranFor(const SchedulerJob& job, seconds sinceAnswer, const MarkedJob& marked)
/// Whether the job of the scheduler was there while the provisioner job reported.
{
    if (!job.endedAgo && job.isSuspended)
        return true;
    // If it has not ended, any doubt makes it the worker.
    const auto doubt = job.endedAgo ? WorkerEnds::tolerance : WorkerEnds::unnoticedLag;
    const bool hasRun = job.startedAgo && *job.startedAgo + sinceAnswer + doubt >= marked.silent;
    const bool endedBefore =
        job.endedAgo && *job.endedAgo + sinceAnswer > marked.startedAgo + WorkerEnds::tolerance;
    return hasRun && !endedBefore;
}

} // namespace

void WorkerEnds::learn(const std::vector<SchedulerJob>& listed, seconds retention, Clock::time_point now)
{
    for (const SchedulerJob& job : listed) {
        if (_jobs.size() < capacity || _jobs.contains(job.name))
            _jobs.insert_or_assign(job.name, Known{job, now});
    }
    std::erase_if(_jobs, [&](const auto& entry) {
        const Known& known = entry.second;
        return now - known.learned + known.job.endedAgo.value_or(seconds(0)) >= retention;
    });
}

void WorkerEnds::forget()
{
    _jobs.clear();
    _watched.clear();
}

bool WorkerEnds::isAnyKnown() const
{
    return std::ranges::any_of(_jobs,
                               [](const auto& entry) { return entry.second.job.endedAgo.has_value(); });
}

std::vector<JobId> WorkerEnds::jobs() const
{
    std::set<JobId> jobs;
    for (const auto& [name, known] : _jobs) {
        if (known.job.endedAgo && known.job.mark.kind == Mark::Kind::job)
            jobs.insert(known.job.mark.text);
    }
    return {jobs.begin(), jobs.end()};
}

std::vector<std::string> WorkerEnds::daemons() const
{
    if (!isAnyKnown())
        return {};
    std::set<std::string> names;
    for (const auto& [name, known] : _jobs) {
        if (known.job.mark.kind == Mark::Kind::daemon)
            names.insert(known.job.mark.text);
    }
    return {names.begin(), names.end()};
}

const WorkerEnds::Known* WorkerEnds::endOf(std::span<const MarkedJob> marks, const KnownByMark& known,
                                           Clock::time_point now)
/// The last end of the jobs that ran this provisioner job. Null when there is none, or one has not ended.
{
    const Known* last = nullptr;
    for (const MarkedJob& marked : marks) {
        const auto [begin, end] = known.equal_range(marked.mark);
        for (auto entry = begin; entry != end; ++entry) {
            const Known& one = *entry->second;
            if (!ranFor(one.job, ceil<seconds>(now - one.learned), marked))
                continue;
            if (!one.job.endedAgo || one.job.isCompleting)
                return nullptr;
            if (last == nullptr || one.learned - *one.job.endedAgo > last->learned - *last->job.endedAgo)
                last = &one;
        }
    }
    return last;
}

WorkerEnds::Verdict WorkerEnds::judge(std::span<const MarkedJob> running, seconds duration, seconds lag,
                                      Clock::time_point now)
{
    std::map<JobId, std::vector<MarkedJob>> marksOf;
    for (const MarkedJob& job : running)
        marksOf[job.job.jobId].push_back(job);
    std::erase_if(_watched, [&](const auto& entry) { return !marksOf.contains(entry.first); });

    KnownByMark byMark;
    for (const auto& [name, known] : _jobs)
        byMark.emplace(known.job.mark, &known);

    Verdict verdict;
    for (const auto& [id, marks] : marksOf) {
        const MarkedJob& job = marks.front();
        const Known* const end = endOf(marks, byMark, now);
        if (end == nullptr) {
            _watched.erase(id);
            continue;
        }
        const Clock::duration endedAgo = now - end->learned + *end->job.endedAgo;
        Clock::duration left = tolerance - endedAgo;
        // A heartbeat may have been on its way when the worker ended.
        if (left.count() <= 0) {
            const auto known = _watched.find(id);
            if (known == _watched.end() || known->second.schedulerJob != end->job.name)
                _watched.insert_or_assign(id, Watched{job.job.updatedAt, now, end->job.name});
            Watched& watched = _watched.at(id);
            const WorkerEnd workerEnd{end->job.name, end->job.state};
            if (watched.updatedAt != job.job.updatedAt && !std::exchange(watched.isAlive, true))
                _notifications.postNotification(new WorkerOutlivedItsEnd(id, workerEnd));
            if (watched.isAlive)
                continue;
            left = std::max(Clock::duration(duration) - (now - watched.since),
                            Clock::duration(duration + lag) - job.silent);
            if (left.count() <= 0)
                verdict.dead.push_back({id, job.job.updatedAt, workerEnd});
        }
        verdict.explained.push_back(job);
        if (left.count() > 0)
            verdict.next = std::min(verdict.next.value_or(left), left);
    }
    return verdict;
}

} // namespace HangDetection
