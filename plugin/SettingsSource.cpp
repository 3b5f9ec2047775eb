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
    _changing.reset();
    return _inForce = Settings::read(_file);
}

bool SettingsSource::isSettled() const
{
    return !hasJustBeen(currentState().changed);
}

std::optional<Settings> SettingsSource::readIfChanged()
{
    const State current = currentState();
    if (current == _lastRead) {
        _changing.reset();
        return std::nullopt;
    }
    return hasJustBeen(current.changed) ? follow(current) : readSettled();
}

std::optional<Settings> SettingsSource::follow(const State& current)
{
    const auto now = Clock::now();
    auto settings = readUnsettled();
    if (!_changing)
        _changing = Changing{now, current, settings, now};
    const bool isSame = settings && _changing->settings && _changing->state.size == current.size &&
                        _changing->settings->changesTo(*settings).empty();
    if (isSame && now - _changing->sameSince >= settled) {
        // Not read once more: that could find the file half written.
        _lastRead = current;
        _changing.reset();
        return _inForce = *settings;
    }
    if (!isSame)
        _changing->sameSince = now;
    _changing->state = current;
    _changing->settings = settings;

    if (settings) {
        settings = _inForce.withLessHarmOf(*settings);
        if (!_inForce.changesTo(*settings).empty())
            return _inForce = *settings;
    }
    if (now - _changing->since >= patience && !std::exchange(_changing->isTold, true))
        throw SettingsError(_file.string() +
                            ": is written all the time, so it may be half written; until it "
                            "stays the same for a second, only what does less harm takes effect");
    return std::nullopt;
}

std::optional<Settings> SettingsSource::readSettled()
{
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

std::optional<Settings> SettingsSource::readUnsettled() const
{
    try {
        return Settings::read(_file);
    } catch (const SettingsError&) {
        return std::nullopt;
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
