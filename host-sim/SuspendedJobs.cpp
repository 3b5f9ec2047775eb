#include "SuspendedJobs.h"

#include <string_view>

namespace HangDetection::Sim {

namespace {

/// See DIAGNOSTICS in job_submit_hang_detector(8).
constexpr std::string_view begin = "job_submit/hang_detector: job skipped job_id=";
constexpr std::string_view end = " cause=suspended";

} // namespace

void SuspendedJobs::read(const std::string& line)
{
    if (!line.starts_with(begin) || !line.ends_with(end))
        return;
    const std::lock_guard lock(_mutex);
    _ids.insert(line.substr(begin.size(), line.size() - begin.size() - end.size()));
}

std::set<std::string> SuspendedJobs::ids() const
{
    const std::lock_guard lock(_mutex);
    return _ids;
}

} // namespace HangDetection::Sim
