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

} // namespace

Wording Wording::of(Reason reason, std::chrono::seconds threshold)
{
    const std::string start = beginning +
                              (reason == Reason::ended ? std::string("dead (") + workerEndPlace + ')'
                                                       : std::string(nameOf(reason)) + " for " +
                                                             minutesOf(threshold) + " minutes") +
                              " and ";
    return {start + "has been terminated by hang detector.", start + "will be terminated."};
}

std::string textOf(const WorkerEnd& end)
{
    return "Slurm job " + end.schedulerJob + ": " + end.state;
}

const std::string& anyDetectorsError()
{
    static const std::string pattern =
        std::string("^") + beginning +
        "((hung|pending) for [0-9.]+ minutes|dead [(][^()]*[)]) and has been terminated by "
        "(hang detector|the reaper)[.]$";
    return pattern;
}

} // namespace HangDetection
