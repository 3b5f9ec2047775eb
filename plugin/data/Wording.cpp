#include "Wording.h"

#include "Words.h"

#include <Poco/NumberFormatter.h>

namespace HangDetection {

namespace {

constexpr const char* beginning = "Coder: Build has been detected as ";

std::string minutesOf(std::chrono::seconds threshold)
/// With up to two decimal places, without zeros at the end: 5, 1.5, 1.67.
{
    const double minutes = std::chrono::duration<double, std::ratio<60>>(threshold).count();
    std::string text = Poco::NumberFormatter::format(minutes, 2);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.')
        text.pop_back();
    return text;
}

std::string findingOf(Reason reason, const std::string& minutes, const std::string& workerEnd)
/// What was found of the job. The worker's end stands in parentheses.
{
    if (reason == Reason::ended)
        return "dead " + workerEnd;
    return std::string(nameOf(reason)) + " for " + minutes + " minutes";
}

} // namespace

Wording Wording::of(Reason reason, std::chrono::seconds threshold)
{
    const std::string start =
        beginning + findingOf(reason, minutesOf(threshold), std::string("(") + workerEndPlace + ')') +
        " and ";
    return {start + "has been terminated by hang detector.", start + "will be terminated."};
}

std::string stalledLogLine(std::chrono::seconds threshold)
{
    return "Coder: Build has made no progress for " + minutesOf(threshold) + " minutes and will be canceled.";
}

std::string textOf(const WorkerEnd& end)
{
    return "Slurm job " + end.schedulerJob + ": " + end.state;
}

const std::string& anyDetectorsError()
{
    static const std::string pattern = [] {
        std::string findings;
        for (const Word<Reason>& reason : words<Reason>)
            findings += (findings.empty() ? "" : "|") + findingOf(reason.value, "[0-9.]+", "[(][^()]*[)]");
        return std::string("^") + beginning + '(' + findings +
               ") and has been terminated by (hang detector|the reaper)[.]$";
    }();
    return pattern;
}

} // namespace HangDetection
