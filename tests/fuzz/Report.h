#pragma once

#include "Fuzzing.h"
#include "LogRecord.h"
#include "notification/LogLine.h"
#include "notification/RunLog.h"

#include <Poco/Message.h>
#include <Poco/StreamChannel.h>

#include <sstream>

namespace HangDetection::Test {

using Pairs = decltype(LogRecord::pairs);

inline void addUnlessEmpty(Pairs& pairs, const std::string& key, const std::string& value)
{
    if (!value.empty())
        pairs.emplace_back(key, value);
}

class Report
/// A run log, and what it makes of a notification.
{
public:
    void requireLine(Poco::Notification* notification, const std::string& event, Pairs pairs)
    /// The log gets one line, with this event and these pairs, whose values may be cut. Takes the
    /// notification.
    {
        for (auto& [key, value] : pairs)
            value = shortened(value);
        _log.str("");
        _center.postNotification(notification);
        std::string line = _log.str();
        require(line.ends_with('\n'), "a report is a line");
        line.pop_back();
        require(isOneLineOfText(line), "a line is one line of text");
        require(LogRecord::read(line) == LogRecord{event, pairs}, "a line holds what was reported");
    }

    void forgetOutage() { _center.postNotification(new RunFinished(RunStatistics{})); }
    /// A run without an error, so that the next one is logged.

private:
    std::ostringstream _log;
    Poco::AutoPtr<Poco::Channel> _channel = new Poco::StreamChannel(_log);
    Poco::Logger& _logger = Poco::Logger::create("fuzzed", _channel, Poco::Message::PRIO_TRACE);
    Poco::NotificationCenter _center;
    RunLog _runLog{_center, _logger};
};

} // namespace HangDetection::Test
