#pragma once

#include "data/Job.h"

#include <chrono>
#include <optional>

namespace HangDetection {

class MassHang
/// Judges whether so many jobs fell silent at once that something upstream of them is
/// probably down, such as the Coder server, which writes the heartbeats. Then nothing is
/// to be terminated for a while, so that jobs that are well can report again.
///
/// Silent jobs count, not only those that are hung by now: as runs come when the first
/// job is hung, the others would be hung one by one, and never all at once.
///
/// One mass hang is held for one hold at most, counted from its first sight. It is a new
/// one only after it was seen to be gone for a whole hold, so one that comes and goes is
/// held no longer than one that stays. A database that could not be asked for a whole hold
/// explains the silence of all jobs, and what is seen after it is new, too.
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
        ended  /// the first time after a hold that there is none
    };

    struct Limits
    /// There is a mass hang when a job is hung, and more than `ratio` percent of the running jobs
    /// and more than `minJobs` jobs are silent; never when the ratio is 0.
    {
        int ratio;
        int minJobs;
        Clock::duration hold;
    };

    explicit MassHang(const Limits& limits) : _limits(limits) {}

    void setLimits(const Limits& limits) { _limits = limits; }
    /// A mass hang that is known stays so, with the time when it was seen first.

    Verdict judge(const JobCounts& jobs, Clock::time_point now);
    /// To be called once for each search, with what it found.

    void missedSearch() { _missedSearch = true; }
    /// To be called when the database could not be asked which jobs are silent.

    std::optional<Clock::duration> holdLeft(Clock::time_point now) const;
    /// Nothing when the last verdict was not to hold.

private:
    struct Sighting
    {
        Clock::time_point first;
        std::optional<Clock::time_point> goneSince = std::nullopt;
        bool isHeld = true;
        bool isEndTold = false;
    };

    bool isAnother(const Sighting& known, Clock::time_point now) const;

    Limits _limits;
    std::optional<Sighting> _sighting;
    Clock::time_point _lastSearch;
    bool _missedSearch = false;
};

} // namespace HangDetection
