#include "JobMark.h"

#include "SlurmRelease.h"

#include <Poco/Ascii.h>
#include <Poco/String.h>

#include <slurm/slurm.h>

#include <algorithm>
#include <atomic>
#include <set>

// Weak: if a Slurm release lacks it, the user gets no reason, but slurmctld does not crash.
#pragma weak slurm_xrecalloc

namespace HangDetection {

namespace {

constexpr std::string_view prefix = "provisioner_job=";
/// Longer than a UUID. The rest of a longer mark is not copied, because the submission waits for this.
constexpr std::size_t longestMark = 60;
constexpr std::string_view separators = " \t\r\n\f\v,;";

bool isUuid(std::string_view text)
/// Allows only the form with 8-4-4-4-12 hexadecimal digits.
{
    constexpr std::size_t length = 36;
    if (text.size() != length)
        return false;
    for (std::size_t i = 0; i < length; ++i) {
        const bool isHyphen = i == 8 || i == 13 || i == 18 || i == 23;
        if (isHyphen ? text[i] != '-' : !Poco::Ascii::isHexDigit(static_cast<unsigned char>(text[i])))
            return false;
    }
    return true;
}

std::set<std::string> marksIn(std::string_view comment)
/// The text after the prefix in each mark, in lower case.
{
    std::set<std::string> marks;
    while (!comment.empty()) {
        const auto end = std::min(comment.find_first_of(separators), comment.size());
        const std::string_view token = comment.substr(0, end);
        if (token.starts_with(prefix)) {
            const std::string_view mark = token.substr(prefix.size());
            marks.insert(Poco::toLower(std::string(mark.substr(0, longestMark))) +
                         (mark.size() > longestMark ? "..." : ""));
        }
        comment.remove_prefix(std::min(end + 1, comment.size()));
    }
    return marks;
}

/// Written under slurmctld's locks, read by the detector's thread. It is global because the plugin interface
/// passes no context.
std::atomic<std::uint64_t> seen = 0;

void append(char*& message, const std::string& reason)
/// Adds the reason in its own line, below the text of another plugin. When memory is missing, the message
/// stays as it is.
{
    if (slurm_xrecalloc == nullptr)
        return;
    std::string text = message == nullptr ? "" : message;
    if (!text.empty() && !text.ends_with('\n'))
        text += '\n';
    text += reason;
    void* memory = message;
    if (slurm_xrecalloc(&memory, text.size() + 1, 1, true, true, __FILE__, __LINE__, __func__) == nullptr)
        return;
    message = static_cast<char*>(memory);
    message[text.copy(message, text.size())] = '\0';
}

} // namespace

std::optional<JobId> markedJob(std::string_view comment)
{
    const auto marks = marksIn(comment);
    if (marks.size() != 1 || !isUuid(*marks.begin()))
        return std::nullopt;
    return *marks.begin();
}

std::optional<std::string> markError(std::string_view comment)
{
    const auto marks = marksIn(comment);
    const std::string allowed =
        "; allowed in the comment: " + std::string(prefix) + "UUID with the id of one provisioner job";
    const auto wrong = std::ranges::find_if(marks, [](const std::string& mark) { return !isUuid(mark); });
    if (wrong != marks.end())
        return std::string(prefix) + *wrong + " is not the id of a provisioner job" + allowed;
    if (marks.size() > 1)
        return "the comment names " + std::to_string(marks.size()) + " provisioner jobs" + allowed;
    return std::nullopt;
}

bool isMarkAllowed(const char* comment, char** message) noexcept
{
    try {
        const auto error = markError(comment == nullptr ? "" : comment);
        if (!error) {
            if (seen == 0 || (comment != nullptr && markedJob(comment)))
                ++seen;
            return true;
        }
        if (message != nullptr)
            append(*message, *error);
        return false;
    } catch (...) {
        // Out of memory. The mark is checked again before it is used.
        return true;
    }
}

std::uint64_t marksSeen() noexcept
{
    return seen;
}

} // namespace HangDetection
