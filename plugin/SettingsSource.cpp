#include "SettingsSource.h"

#include "SettingsFile.h"

#include <sys/stat.h>
#include <utility>

namespace HangDetection {

namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

bool hasJustBeen(nanoseconds moment)
/// False for a moment in the future, which the clock of a file server can give.
{
    const auto age = std::chrono::system_clock::now().time_since_epoch() - moment;
    return age >= seconds(0) && age < SettingsSource::settled;
}

} // namespace

Settings SettingsSource::read()
{
    // Before the read, so that the next call sees a change during it.
    _lastRead = currentState();
    return Settings::read(_file);
}

std::optional<Settings> SettingsSource::readIfChanged()
{
    const State current = currentState();
    const bool isOther = current != _lastRead;
    _isChanging = isOther && hasJustBeen(current.changed);
    if (!isOther || _isChanging)
        return std::nullopt;
    try {
        const Settings settings = read();
        _failure.clear();
        return settings;
    } catch (const UnreadableSettings& error) {
        _lastRead = {};
        if (std::exchange(_failure, error.what()) == error.what())
            return std::nullopt;
        throw;
    }
}

SettingsSource::State SettingsSource::currentState() const
{
    struct stat status = {};
    if (stat(_file.c_str(), &status) != 0)
        return {};
    return {status.st_dev, status.st_ino, status.st_size,
            seconds(status.st_ctim.tv_sec) + nanoseconds(status.st_ctim.tv_nsec)};
}

} // namespace HangDetection
