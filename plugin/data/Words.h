#pragma once

#include "Job.h"

#include <Poco/Exception.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace HangDetection {

// The word for each reason, outcome and build state. It is the same in the answers of the SQL statements, in
// the log and as a label of metrics.

enum class Effect
/// What an outcome means for the run.
{
    terminated, /// the job is terminated
    canceled,   /// the job is canceled
    skipped,    /// the job is left as it is, which is correct
    failed      /// an error of the job itself
};

template <typename Value>
struct Word
{
    Value value;
    std::string_view word;
};

template <>
struct Word<Outcome>
{
    Outcome value;
    std::string_view word;
    Effect effect;
    std::string_view error = {};
    /// The error for the log, when the database raises none.
};

template <typename Value>
inline constexpr std::array<Word<Value>, 0> words{};

template <>
inline constexpr std::array words<Reason>{
    Word<Reason>{Reason::hung, "hung"},
    Word<Reason>{Reason::pending, "pending"},
    Word<Reason>{Reason::ended, "ended"},
};

template <>
inline constexpr std::array words<Outcome>{
    Word<Outcome>{Outcome::terminated, "terminated", Effect::terminated},
    Word<Outcome>{Outcome::canceled, "canceled", Effect::canceled},
    Word<Outcome>{Outcome::locked, "locked", Effect::skipped},
    Word<Outcome>{Outcome::missing, "missing", Effect::skipped},
    Word<Outcome>{Outcome::notStarted, "not_started", Effect::skipped},
    Word<Outcome>{Outcome::completed, "completed", Effect::skipped},
    Word<Outcome>{Outcome::reported, "reported", Effect::skipped},
    Word<Outcome>{Outcome::notStalled, "not_stalled", Effect::skipped},
    Word<Outcome>{Outcome::suspended, "suspended", Effect::skipped},
    Word<Outcome>{Outcome::noBuild, "no_build", Effect::failed,
                  "the job is a workspace build, but workspace_builds has no row for it"},
    Word<Outcome>{Outcome::notUpdated, "not_updated", Effect::failed,
                  "a trigger in the database prevents the update of the job"},
    Word<Outcome>{Outcome::takenBack, "taken_back", Effect::failed,
                  "the job was terminated twice within an hour, and is hung again; look for a trigger that "
                  "takes the termination back"},
    Word<Outcome>{Outcome::failed, "failed", Effect::failed},
};

template <>
inline constexpr std::array words<BuildState>{
    Word<BuildState>{BuildState::none, "none"},
    Word<BuildState>{BuildState::kept, "kept"},
    Word<BuildState>{BuildState::copied, "copied"},
};

template <typename Value>
constexpr const Word<Value>& wordFor(Value value)
/// Throws std::out_of_range for a value without a row.
{
    const auto row = std::ranges::find(words<Value>, value, &Word<Value>::value);
    return words<Value>.at(static_cast<std::size_t>(row - words<Value>.begin()));
}

template <typename Value>
constexpr std::string_view nameOf(Value value)
{
    return wordFor(value).word;
}

template <typename Value>
Value valueOf(std::string_view name)
/// Throws Poco::DataFormatException, which does not quote the name.
{
    const auto known = std::ranges::find(words<Value>, name, &Word<Value>::word);
    if (known == words<Value>.end())
        throw Poco::DataFormatException("unknown name in an answer about a termination");
    return known->value;
}

} // namespace HangDetection
