#pragma once

#include <mutex>
#include <set>
#include <string>

namespace HangDetection::Sim {

class SuspendedJobs
/// The jobs that the plugin left alone because their Slurm job explains their silence. Read from the plugin's
/// log. Used by any thread.
{
public:
    void read(const std::string& line);
    /// Takes any line of the log.

    std::set<std::string> ids() const;

private:
    mutable std::mutex _mutex;
    std::set<std::string> _ids;
};

} // namespace HangDetection::Sim
