#include "Report.h"

#include "Fuzzing.h"

namespace HangDetection::Test {

void Report::requireLine(Poco::Notification* notification, const std::string& event, const Pairs& pairs)
{
    _center.postNotification(notification);
    const std::vector<std::string> lines = _channel->take();
    require(lines.size() == 1, "a report is one line");
    require(isOneLineOfText(lines.front()), "a line is one line of text");
    require(LogRecord::read(lines.front()) == LogRecord{event, pairs}, "a line holds what was reported");
}

void Report::forgetOutage()
{
    _center.postNotification(new RunFinished(RunStatistics{}));
    _channel->take();
}

} // namespace HangDetection::Test
