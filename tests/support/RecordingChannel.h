#pragma once

#include <Poco/Channel.h>
#include <Poco/Message.h>

#include <chrono>
#include <mutex>
#include <string>
#include <vector>

namespace HangDetection::Test {

struct RecordedLine
/// A message as "priority: text", and when it was logged.
{
    std::chrono::steady_clock::time_point time;
    std::string text;
};

class RecordingChannel : public Poco::Channel
/// Keeps what is logged, each message as "priority: text". May be used by any thread.
{
public:
    void log(const Poco::Message& message) override
    {
        const std::lock_guard lock(_mutex);
        _recorded.push_back({std::chrono::steady_clock::now(),
                             std::string(nameOf(message.getPriority())) + ": " + message.getText()});
    }

    std::vector<RecordedLine> recorded() const
    {
        const std::lock_guard lock(_mutex);
        return _recorded;
    }

    std::vector<std::string> lines() const
    {
        const std::lock_guard lock(_mutex);
        std::vector<std::string> texts;
        for (const RecordedLine& line : _recorded)
            texts.push_back(line.text);
        return texts;
    }

private:
    static const char* nameOf(Poco::Message::Priority priority)
    {
        switch (priority) {
        case Poco::Message::PRIO_ERROR:
            return "error";
        case Poco::Message::PRIO_WARNING:
            return "warning";
        case Poco::Message::PRIO_INFORMATION:
            return "information";
        case Poco::Message::PRIO_DEBUG:
            return "debug";
        default:
            return "other";
        }
    }

    mutable std::mutex _mutex;
    std::vector<RecordedLine> _recorded;
};

} // namespace HangDetection::Test
