#pragma once

#include "LogRecord.h"
#include "notification/RunLog.h"

#include <Poco/AutoPtr.h>
#include <Poco/Channel.h>
#include <Poco/Logger.h>
#include <Poco/Message.h>
#include <Poco/NotificationCenter.h>

#include <string>
#include <utility>
#include <vector>

namespace HangDetection::Test {

using Pairs = decltype(LogRecord::pairs);

class Report
/// A run log, and what it makes of a notification.
{
public:
    void requireLine(Poco::Notification* notification, const std::string& event, const Pairs& pairs);
    /// The log gets one line, with this event and these pairs. Takes the notification.

    void forgetOutage();
    /// A run without an error, so that the next one is told.

private:
    class LineChannel : public Poco::Channel
    /// Keeps the lines that were logged since they were taken last.
    {
    public:
        void log(const Poco::Message& message) override { _lines.push_back(message.getText()); }

        std::vector<std::string> take() { return std::exchange(_lines, {}); }

    private:
        std::vector<std::string> _lines;
    };

    Poco::AutoPtr<LineChannel> _channel = new LineChannel;
    Poco::Logger& _logger = Poco::Logger::create("fuzzed", _channel, Poco::Message::PRIO_TRACE);
    Poco::NotificationCenter _center;
    RunLog _runLog{_center, _logger};
};

} // namespace HangDetection::Test
