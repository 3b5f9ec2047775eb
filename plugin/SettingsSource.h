#pragma once

#include "Settings.h"

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <sys/types.h>
#include <utility>

namespace HangDetection {

class SettingsSource
/// Reads hang_detector.conf, again when it changes while the detector runs. Used by one thread.
{
public:
    explicit SettingsSource(std::filesystem::path file) : _file(std::move(file)) {}

    Settings read();
    /// Throws SettingsError, as Settings::read does.

    std::optional<Settings> readIfChanged();
    /// Nothing when the file has not changed since the last read. Throws SettingsError, once for each change.
    /// A file that was written within the last second is left to a later call: it may be half written, and
    /// without its HungJobDuration jobs that are alive could be terminated. But what it changes to less harm
    /// takes effect at once. Throws SettingsError, too, once, when a file does not settle for long, or could
    /// not be read because of a shortage.

    bool isSettled() const;
    /// Whether the file was not written within the last second.

    bool isChanging() const { return _changing.has_value(); }
    /// Whether the last readIfChanged() left such a file.

    static constexpr std::chrono::seconds settled{1};
    /// A file is complete when it was not written for this long, or was written with the same size and the
    /// same settings.

    static constexpr std::chrono::seconds patience{5};
    /// A file that does not settle for this long is an error.

private:
    struct State
    /// Identifies a version of the file. All zero when there is no file.
    {
        dev_t device = 0;
        ino_t inode = 0;
        off_t size = 0;
        std::chrono::nanoseconds changed{0};
        /// The ctime, since the epoch. A new mode or owner also changes it, and it cannot be set back.

        bool operator==(const State&) const = default;
    };

    using Clock = std::chrono::steady_clock;

    struct Changing
    /// A file that has not settled.
    {
        Clock::time_point since;
        State state;
        std::optional<Settings> settings;
        /// Nothing when it is wrong.
        Clock::time_point sameSince;
        bool isTold = false;
    };

    State currentState() const;
    std::optional<Settings> readSettled();
    std::optional<Settings> readUnsettled() const;
    std::optional<Settings> follow(const State& current);

    const std::filesystem::path _file;
    State _lastRead;
    std::string _failure;
    /// Why the last call could not read a file that may be right.
    Settings _inForce;
    std::optional<Changing> _changing;
};

} // namespace HangDetection
