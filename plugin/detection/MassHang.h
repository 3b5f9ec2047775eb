#pragma once

#include "data/Job.h"
#include "notification/Notifications.h"

#include <Poco/NotificationCenter.h>

#include <chrono>
#include <optional>

namespace HangDetection {

class MassHang
/// Judges whether so many jobs fell silent at once that something they all need is probably down, such as the
/// Coder server, which writes the heartbeats. Then no job is terminated for a while, so that live jobs can
/// report again.
///
/// All silent jobs count, not only the hung ones. A run comes as soon as the first job is hung. So the jobs
/// become hung one by one, and never all at once.
///
/// A mass hang is held for one hold at most, counted from its first sight. The next mass hang counts as a new
/// one only if there was none for a whole hold. So a mass hang that comes and goes is held no longer than one
/// that stays.
///
/// The caller passes the time. Used by one thread.
{
public:
    using Clock = std::chrono::steady_clock;

    enum class Verdict
    {
        none,  /// no mass hang, or its hold is over
        began, /// hold, for the first time in this mass hang
        held,  /// hold
        ended  /// the hold has ended; given once for each mass hang
    };

    struct Limits
    /// There is a mass hang when a job is hung, and more than `ratio` percent of the running jobs and more
    /// than `minJobs` jobs are silent. There is never one when the ratio is 0.
    {
        int ratio;
        int minJobs;
        Clock::duration hold;
    };

    explicit MassHang(const Limits& limits) : _limits(limits) {}

    void setLimits(const Limits& limits) { _limits = limits; }
    /// A known mass hang stays known, with the time of its first sight.

    Verdict judge(const JobCounts& jobs, Clock::time_point now);
    /// Call it once for each search, with what the search found.

    template <Mass mass>
    bool isHeld(const JobCounts& jobs, Poco::NotificationCenter& notifications, bool isDryRun)
    /// Judges now, and posts MassBegan and MassEnded. Whether to hold.
    {
        const Verdict verdict = judge(jobs, Clock::now());
        if (verdict == Verdict::began)
            notifications.postNotification(new MassBegan<mass>(
                jobs, std::chrono::duration_cast<std::chrono::seconds>(_limits.hold), isDryRun));
        if (verdict == Verdict::ended)
            notifications.postNotification(new MassEnded<mass>(jobs, isDryRun));
        return verdict == Verdict::began || verdict == Verdict::held;
    }

    std::optional<Clock::duration> holdLeft(Clock::time_point now) const;
    /// The rest of the hold. No value when the last verdict was not to hold.

private:
    struct Sighting
    {
        Clock::time_point first;
        std::optional<Clock::time_point> goneSince = std::nullopt;
        bool isHeld = true;
        bool isEndTold = false;
    };

    Limits _limits;
    std::optional<Sighting> _sighting;
};

} // namespace HangDetection
