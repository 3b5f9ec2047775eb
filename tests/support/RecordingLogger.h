#pragma once

#include <Poco/AutoPtr.h>
#include <Poco/Channel.h>
#include <Poco/Logger.h>
#include <Poco/Message.h>
#include <Poco/PatternFormatter.h>
#include <Poco/String.h>
#include <Poco/UUIDGenerator.h>

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

class RecordingLogger
/// A logger of its own, with everything that was logged. May be used by any thread.
{
public:
    Poco::Logger& logger() { return _logger; }

    std::vector<RecordedLine> recorded() const { return _channel->recorded(); }

    std::vector<std::string> lines() const
    {
        std::vector<std::string> texts;
        for (const RecordedLine& line : recorded())
            texts.push_back(line.text);
        return texts;
    }

private:
    class Channel : public Poco::Channel
    {
    public:
        void log(const Poco::Message& message) override
        {
            std::string priority;
            Poco::PatternFormatter("%p").format(message, priority);
            const std::lock_guard lock(_mutex);
            _recorded.push_back({std::chrono::steady_clock::now(),
                                 Poco::toLowerInPlace(priority) + ": " + message.getText()});
        }

        std::vector<RecordedLine> recorded() const
        {
            const std::lock_guard lock(_mutex);
            return _recorded;
        }

    private:
        mutable std::mutex _mutex;
        std::vector<RecordedLine> _recorded;
    };

    Poco::AutoPtr<Channel> _channel = new Channel;
    Poco::Logger& _logger =
        Poco::Logger::create(Poco::UUIDGenerator::defaultGenerator().createRandom().toString(), _channel,
                             Poco::Message::PRIO_TRACE);
};

} // namespace HangDetection::Test
