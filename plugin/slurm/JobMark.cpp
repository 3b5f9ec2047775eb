#include "JobMark.h"

#include "SlurmRelease.h"

#include <Poco/String.h>

#include <slurm/slurm.h>

#include <atomic>
#include <cstring>

// Weak: if a Slurm release lacks it, the user gets no reason, but slurmctld does not crash.
#pragma weak slurm_xrecalloc

namespace HangDetection {

namespace {

constexpr std::string_view prefix = "provisioner_job=";
/// Longer than a UUID. An error quotes no more of a mark.
constexpr std::size_t longestMark = 60;
/// In bytes. Slurm refuses a longer comment, but only after its plugins have seen it.
constexpr std::size_t longestComment = 1024;
constexpr const char* allowed =
    "; allowed in the comment: provisioner_job=UUID with the id of one provisioner job";
constexpr std::string_view separators = " \t\r\n\f\v,;";

bool isSeparator(char c)
{
    return separators.find(c) != std::string_view::npos;
}

struct Mark
/// What a comment says about the provisioner job.
{
    enum class Kind
    {
        none,
        good,
        wrong,
        contradicted /// two marks name different jobs
    };

    Kind kind = Kind::none;
    std::string_view text = {};
    /// The text after the prefix. It points into the comment.
};

Mark markIn(std::string_view comment)
/// Copies nothing and ends at the first error, because the submission waits for this.
{
    comment = comment.substr(0, longestComment);
    Mark found;
    for (auto at = comment.find(prefix); at != std::string_view::npos; at = comment.find(prefix, at + 1)) {
        if (at > 0 && !isSeparator(comment[at - 1]))
            continue;
        const std::string_view rest = comment.substr(at + prefix.size());
        const std::string_view text = rest.substr(0, jobIdLength);
        const bool isSame = text == found.text; // checked already
        if (!(isSame || isJobId(text)) || (rest.size() > jobIdLength && !isSeparator(rest[jobIdLength])))
            return {Mark::Kind::wrong, rest.substr(0, rest.find_first_of(separators))};
        if (!isSame && found.kind == Mark::Kind::good && Poco::icompare(text, found.text) != 0)
            return {Mark::Kind::contradicted};
        found = {Mark::Kind::good, text};
    }
    return found;
}

std::optional<std::string> errorOf(const Mark& mark)
{
    switch (mark.kind) {
    case Mark::Kind::wrong:
        return std::string(prefix) + std::string(mark.text.substr(0, longestMark)) +
               (mark.text.size() > longestMark ? "..." : "") + " is not the id of a provisioner job" +
               allowed;
    case Mark::Kind::contradicted:
        return std::string("the comment names more than one provisioner job") + allowed;
    case Mark::Kind::none:
    case Mark::Kind::good:
        break;
    }
    return std::nullopt;
}

std::string_view shortened(const char* comment)
{
    return comment == nullptr ? std::string_view()
                              : std::string_view(comment, strnlen(comment, longestComment));
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
    const Mark mark = markIn(comment);
    if (mark.kind != Mark::Kind::good)
        return std::nullopt;
    return Poco::toLower(std::string(mark.text));
}

std::optional<std::string> markError(std::string_view comment)
{
    return errorOf(markIn(comment));
}

bool isMarkAllowed(const char* comment, char** message) noexcept
{
    const Mark mark = markIn(shortened(comment));
    if (mark.kind == Mark::Kind::none || mark.kind == Mark::Kind::good) {
        if (seen == 0 || mark.kind == Mark::Kind::good)
            ++seen;
        return true;
    }
    try {
        if (message != nullptr)
            append(*message, errorOf(mark).value());
    } catch (const std::exception&) {
        // Out of memory. The user gets no reason.
    }
    return false;
}

std::uint64_t marksSeen() noexcept
{
    return seen;
}

} // namespace HangDetection
