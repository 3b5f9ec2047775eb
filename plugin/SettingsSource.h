#pragma once

#include "Settings.h"

#include <chrono>
#include <filesystem>
#include <optional>
#include <sys/types.h>
#include <utility>

namespace HangDetection {

class SettingsSource
/// hang_detector.conf, which may be changed while the detector is at work. Used by one
/// thread.
{
public:
    explicit SettingsSource(std::filesystem::path file) : _file(std::move(file)) {}

    Settings read();
    /// Throws SettingsError, as Settings::read does.

    std::optional<Settings> readIfChanged();
    /// Nothing when the file is the one that was read last. Throws SettingsError, once for each
    /// change. A file that was written within the last second may be only half of what it is to
    /// become, and half of the settings can be a threshold that kills; it is left to a later call.

    bool isChanging() const { return _isChanging; }
    /// Whether the last readIfChanged left such a file.

    static constexpr std::chrono::seconds settled{1};
    /// A file that was not written for so long is whole.

private:
    struct State
    /// Tells one version of the file from the next. All zero when there is none.
    {
        dev_t device = 0;
        ino_t inode = 0;
        off_t size = 0;
        std::chrono::nanoseconds changed{0};
        /// Since the epoch. Moves with the mode and the owner, too, and cannot be set back.

        bool operator==(const State&) const = default;
    };

    State currentState() const;

    const std::filesystem::path _file;
    State _lastRead;
    bool _isChanging = false;
};

} // namespace HangDetection
