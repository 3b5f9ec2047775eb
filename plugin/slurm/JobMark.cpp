#include "JobMark.h"

#include "SlurmRelease.h"

#include <Poco/Ascii.h>
#include <Poco/String.h>

#include <slurm/slurm.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>

// Weak: if a Slurm release lacks it, the user gets no reason, but slurmctld does not crash.
#pragma weak slurm_xrecalloc

namespace HangDetection {

namespace {

constexpr std::string_view jobKey = "provisioner_job";
constexpr std::string_view daemonKey = "provisioner_daemon";
/// In bytes. An error quotes no more of a mark.
constexpr std::size_t longestQuote = 60;
/// In characters, as Coder's column takes it.
constexpr std::size_t longestName = 64;
/// In bytes. Slurm refuses a longer comment, but only after its plugins have seen it.
constexpr std::size_t longestComment = 1024;
constexpr const char* allowed =
    "; allowed in the comment is one of provisioner_job=UUID with the id of a provisioner job, and "
    "provisioner_daemon=NAME with the name of a provisioner daemon, up to 64 characters";
/// Of UTF-8. Text that is copied from a page may have it.
constexpr std::string_view noBreakSpace = "\xc2\xa0";
constexpr std::string_view separators = " \t\r\n\f\v,;";

bool isBlank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool isSeparator(char c)
{
    return isBlank(c) || c == ',' || c == ';';
}

bool isQuote(char c)
{
    return c == '"' || c == '\'';
}

bool isPartOfAWord(char c)
{
    return Poco::Ascii::isAlphaNumeric(static_cast<unsigned char>(c)) || c == '_' || c == '-';
}

bool endsWithKey(std::string_view text, std::string_view key)
/// In any case, and not as the end of a longer word.
{
    if (text.size() < key.size() || Poco::icompare(text.substr(text.size() - key.size()), key) != 0)
        return false;
    text.remove_suffix(key.size());
    return text.empty() || !isPartOfAWord(text.back());
}

bool isDaemonName(std::string_view text)
/// Any bytes without control characters, as a column of the database may have. Characters are those of UTF-8.
/// A quote at one end is the half of a pair with a blank or comma in between.
{
    const auto isControl = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
    const auto isWithin = [](unsigned char c) { return (c & 0xc0U) == 0x80U; };
    const auto characters = static_cast<std::size_t>(std::ranges::count_if(text, std::not_fn(isWithin)));
    return characters > 0 && characters <= longestName && std::ranges::none_of(text, isControl) &&
           !isQuote(text.front()) && !isQuote(text.back());
}

struct Finding
/// What a comment says about the provisioner job or daemon.
{
    enum class Kind
    {
        none,
        good,
        wrong,
        odd,         /// it is no word of its own, or blanks stand around the =, or quotes before it
        contradicted /// two marks differ
    };

    Kind kind = Kind::none;
    Mark::Kind markKind = Mark::Kind::job;
    std::string_view text = {};
    /// The text after the key. It points into the comment.
};

bool isSame(const Finding& one, const Finding& other)
{
    if (one.markKind != other.markKind)
        return false;
    return one.text == other.text ||
           (one.markKind == Mark::Kind::job && Poco::icompare(one.text, other.text) == 0);
}

std::string_view valueIn(std::string_view rest, bool isJob, char before)
/// The value at the start of the text behind the =, without quotes around it, or around it and its key.
{
    const std::size_t idEnd = std::min(jobIdLength, rest.size());
    const bool isIdLong = isJob && (idEnd == rest.size() || isSeparator(rest[idEnd]));
    std::string_view value = rest.substr(0, isIdLong ? idEnd : rest.find_first_of(separators));
    if (isQuote(before) && value.ends_with(before))
        value.remove_suffix(1);
    if (value.size() >= 2 && isQuote(value.front()) && value.back() == value.front())
        value = value.substr(1, value.size() - 2);
    return value;
}

Finding findMark(std::string_view comment)
/// Copies nothing and ends at the first error, because the submission waits for this.
{
    comment = comment.substr(0, longestComment);
    Finding found;
    for (auto at = comment.find('='); at != std::string_view::npos; at = comment.find('=', at + 1)) {
        std::string_view before = comment.substr(0, at);
        while (!before.empty()) {
            if (before.ends_with(noBreakSpace))
                before.remove_suffix(noBreakSpace.size());
            else if (isBlank(before.back()) || isQuote(before.back()))
                before.remove_suffix(1);
            else
                break;
        }
        const bool isJob = endsWithKey(before, jobKey);
        if (!isJob && !endsWithKey(before, daemonKey))
            continue;
        const auto kind = isJob ? Mark::Kind::job : Mark::Kind::daemon;
        const std::string_view rest = comment.substr(at + 1);
        const bool isSpread =
            before.size() < at || (!rest.empty() && isBlank(rest.front())) || rest.starts_with(noBreakSpace);
        before.remove_suffix(isJob ? jobKey.size() : daemonKey.size());
        if (isSpread || !(before.empty() || isSeparator(before.back()) || isQuote(before.back())))
            return {Finding::Kind::odd, kind};
        const Finding mark{Finding::Kind::good, kind,
                           valueIn(rest, isJob, before.empty() ? ' ' : before.back())};
        const bool isKnown = found.kind == Finding::Kind::good && mark.text == found.text;
        if (!isKnown && !(isJob ? isJobId(mark.text) : isDaemonName(mark.text)))
            return {Finding::Kind::wrong, kind, rest.substr(0, rest.find_first_of(separators))};
        if (found.kind == Finding::Kind::good && !isSame(mark, found))
            return {Finding::Kind::contradicted};
        found = mark;
    }
    return found;
}

std::optional<std::string> errorOf(const Finding& mark)
{
    const bool isJob = mark.markKind == Mark::Kind::job;
    const std::string key(isJob ? jobKey : daemonKey);
    switch (mark.kind) {
    case Finding::Kind::odd:
        return key + " has to be a word of its own, without blanks around the = or quotes before it" +
               allowed;
    case Finding::Kind::wrong:
        return key + '=' + std::string(mark.text.substr(0, longestQuote)) +
               (mark.text.size() > longestQuote ? "..." : "") + " is not the " +
               (isJob ? "id of a provisioner job" : "name of a provisioner daemon") + allowed;
    case Finding::Kind::contradicted:
        return std::string("the comment names more than one provisioner job or daemon") + allowed;
    case Finding::Kind::none:
    case Finding::Kind::good:
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

std::optional<Mark> markOf(std::string_view comment)
{
    const Finding found = findMark(comment);
    if (found.kind != Finding::Kind::good)
        return std::nullopt;
    const std::string text(found.text);
    return Mark{found.markKind, found.markKind == Mark::Kind::job ? Poco::toLower(text) : text};
}

std::optional<std::string> markError(std::string_view comment)
{
    return errorOf(findMark(comment));
}

bool isMarkAllowed(const char* comment, char** message) noexcept
{
    const Finding mark = findMark(shortened(comment));
    if (mark.kind == Finding::Kind::none || mark.kind == Finding::Kind::good) {
        // Not one step: the locks let one thread write at a time.
        const std::uint64_t before = seen.load(std::memory_order_relaxed);
        if (before == 0 || mark.kind == Finding::Kind::good)
            seen.store(before + 1, std::memory_order_release);
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
