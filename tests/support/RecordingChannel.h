#pragma once

#include <Poco/Channel.h>
#include <Poco/Message.h>

#include <mutex>
#include <string>
#include <vector>

namespace HangDetection::Test {

class RecordingChannel : public Poco::Channel
/// Keeps what is logged, each message as "priority: text". May be used by any thread.
{
public:
    void log(const Poco::Message& message) override
    {
        const std::lock_guard lock(_mutex);
        _lines.push_back(std::string(nameOf(message.getPriority())) + ": " + message.getText());
    }

    std::vector<std::string> lines() const
    {
        const std::lock_guard lock(_mutex);
        return _lines;
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
    std::vector<std::string> _lines;
};

} // namespace HangDetection::Test
