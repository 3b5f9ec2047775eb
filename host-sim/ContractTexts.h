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
    std::string workerEnd = {};
    /// How its worker has ended. Unless it is empty, it stands in place of reason and minutes.

    std::string error() const { return start() + " and has been terminated by " + detector + '.'; }
    /// Of the job.

    std::string line() const { return start() + " and will be terminated."; }
    /// The third of the five in its log.

    static std::string stalledLine(const std::string& minutes)
    {
        return "Coder: Build has made no progress for " + minutes + " minutes and will be canceled.";
    }
    /// The third of the five in the log of a job that is canceled.

    static bool isError(const std::string& text) { return text.starts_with(opening); }
    /// Whether it is the error of a job that a detector terminated.

private:
    static constexpr const char* opening = "Coder: Build has been detected as ";

    std::string start() const
    {
        return opening +
               (workerEnd.empty() ? reason + " for " + minutes + " minutes" : "dead (" + workerEnd + ')');
    }
};

} // namespace HangDetection::Sim
