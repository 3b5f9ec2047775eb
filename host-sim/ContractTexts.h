#pragma once

#include <string>

namespace HangDetection::Sim {

// The texts of a termination, once more and not by way of the plugin: demo and tests compare with
// them what the plugin wrote.

struct ContractTexts
{
    std::string reason = "hung";
    std::string minutes = "5";
    std::string detector = "hang detector";
    /// `the reaper` for Coder's own since mid-2025.

    std::string error() const { return start() + " and has been terminated by " + detector + '.'; }
    /// Of the job.

    std::string line() const { return start() + " and will be terminated."; }
    /// The third of the five in its log.

private:
    std::string start() const
    {
        return "Coder: Build has been detected as " + reason + " for " + minutes + " minutes";
    }
};

} // namespace HangDetection::Sim
