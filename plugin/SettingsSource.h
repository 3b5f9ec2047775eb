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
    /// without its HungJobDuration jobs that are alive could be terminated. So is one that could not be read
    /// because of a shortage; this is thrown once.

    bool isChanging() const { return _isChanging; }
    /// Whether the last readIfChanged() left such a file.

    static constexpr std::chrono::seconds settled{1};
    /// A file that was not written for this long is complete.

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

    State currentState() const;

    const std::filesystem::path _file;
    State _lastRead;
    std::string _failure;
    /// Why the last call could not read a file that may be right.
    bool _isChanging = false;
};

} // namespace HangDetection
