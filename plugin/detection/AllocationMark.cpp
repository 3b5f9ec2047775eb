#include "AllocationMark.h"

#include <Poco/Ascii.h>
#include <Poco/String.h>

#include <algorithm>
#include <set>

namespace HangDetection {

namespace {

constexpr std::string_view prefix = "provisioner_job=";
/// More than a UUID. What is longer is not copied: submission waits for it.
constexpr std::size_t mostOfAMark = 60;
constexpr std::string_view separators = " \t\r\n\f\v,;";

bool isUuid(std::string_view text)
/// Strictly: 8-4-4-4-12 hexadecimal digits.
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
/// What follows the prefix in each mark, in lower case.
{
    std::set<std::string> marks;
    while (!comment.empty()) {
        const auto end = std::min(comment.find_first_of(separators), comment.size());
        const std::string_view token = comment.substr(0, end);
        if (token.starts_with(prefix)) {
            const std::string_view mark = token.substr(prefix.size());
            marks.insert(Poco::toLower(std::string(mark.substr(0, mostOfAMark))) +
                         (mark.size() > mostOfAMark ? "..." : ""));
        }
        comment.remove_prefix(std::min(end + 1, comment.size()));
    }
    return marks;
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

} // namespace HangDetection
