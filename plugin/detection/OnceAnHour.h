#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <map>
#include <optional>

namespace HangDetection {

template <typename Key>
class OnceAnHour
/// Remembers keys for an hour, so that the same thing is logged at most once an hour. The capacity limits the
/// number of keys. Used by one thread, which passes the time.
{
public:
    using Clock = std::chrono::steady_clock;

    explicit OnceAnHour(std::size_t capacity) : _capacity(capacity) {}

    bool add(const Key& key, Clock::time_point now)
    /// True when the key was not added within the last hour, and there is room for it. A new key never
    /// replaces an older one, because the older one would then count as new in the next run.
    {
        const auto known = _added.find(key);
        if (known == _added.end())
            return _added.size() < _capacity && _added.emplace(key, now).second;
        if (now - known->second < retention)
            return false;
        known->second = now;
        return true;
    }

    const std::map<Key, Clock::time_point>& known(Clock::time_point now)
    /// The keys of the last hour, and when each was added.
    {
        std::erase_if(_added, [&](const auto& entry) { return now - entry.second >= retention; });
        return _added;
    }

    template <typename Predicate>
    void remove(const Key& first, Predicate belongs)
    /// Removes the first key and the keys right behind it, as long as they belong to it.
    {
        const auto begin = _added.lower_bound(first);
        const auto isOther = [&](const auto& entry) { return !belongs(entry.first); };
        _added.erase(begin, std::find_if(begin, _added.end(), isOther));
    }

    void clear() { _added.clear(); }

    static constexpr std::chrono::hours retention{1};

private:
    std::size_t _capacity;
    std::map<Key, Clock::time_point> _added;
};

class HourlyEvent
/// Something that is logged at most once an hour. Used by one thread, which passes the time.
{
public:
    using Clock = std::chrono::steady_clock;

    bool add(Clock::time_point now)
    /// True when it was not added within the last hour. Otherwise the hour does not begin anew.
    {
        if (isRecent(now))
            return false;
        _added = now;
        return true;
    }

    bool isRecent(Clock::time_point now) const { return _added && now - *_added < std::chrono::hours(1); }

private:
    std::optional<Clock::time_point> _added;
};

} // namespace HangDetection
