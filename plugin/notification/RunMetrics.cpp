#include "RunMetrics.h"

#include <chrono>

namespace HangDetection {

RunMetrics::RunMetrics(Poco::NotificationCenter& center, Poco::Logger& logger, std::string_view cluster)
    : _metrics(cluster),
      _file(logger),
      _terminated(center, "RunMetrics", logger, [this](const JobTerminated& n) { _metrics.add(n); }),
      _skipped(center, "RunMetrics", logger, [this](const JobSkipped& n) { _metrics.add(n); }),
      _failed(center, "RunMetrics", logger, [this](const JobFailed& n) { _metrics.add(n); }),
      _revived(center, "RunMetrics", logger, [this](const JobRevived& n) { _metrics.add(n); }),
      _released(center, "RunMetrics", logger, [this](const AllocationReleased& n) { _metrics.add(n); }),
      _kept(center, "RunMetrics", logger, [this](const AllocationKept& n) { _metrics.add(n); }),
      _finished(center, "RunMetrics", logger, [this](const RunFinished& n) { onRunFinished(n); })
{}

void RunMetrics::onRunFinished(const RunFinished& notification)
{
    _metrics.add(notification, std::chrono::system_clock::now());
    _file.write(_metrics.text());
}

} // namespace HangDetection
