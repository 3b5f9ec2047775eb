#pragma once

#include "RecordingChannel.h"

#include <Poco/AutoPtr.h>
#include <Poco/Logger.h>
#include <Poco/UUIDGenerator.h>

namespace HangDetection::Test {

class RecordingLogger
/// A logger of its own, with everything that was logged.
{
public:
    RecordingLogger()
        : _logger(Poco::Logger::create(Poco::UUIDGenerator::defaultGenerator().createRandom().toString(),
                                       _channel, Poco::Message::PRIO_TRACE))
    {}

    Poco::Logger& logger() { return _logger; }

    std::vector<RecordedLine> recorded() const { return _channel->recorded(); }

    std::vector<std::string> lines() const { return _channel->lines(); }

private:
    Poco::AutoPtr<RecordingChannel> _channel = new RecordingChannel;
    Poco::Logger& _logger;
};

} // namespace HangDetection::Test
