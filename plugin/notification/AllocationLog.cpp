#include "AllocationLog.h"

#include "LogLine.h"

namespace HangDetection {

AllocationLog::AllocationLog(Poco::NotificationCenter& center, Poco::Logger& logger)
    : _logger(logger),
      _released(
          center, "AllocationLog", logger,
          [this](const AllocationReleased& n) {
              _logger.information(
                  LogLine("allocation released").add("job_id", n.jobId).add("slurm_job", n.slurmJob).text());
          }),
      _kept(center, "AllocationLog", logger, [this](const AllocationKept& n) { onKept(n); }),
      _unknown(center, "AllocationLog", logger,
               [this](const AllocationsUnknown& n) {
                   _logger.warning(LogLine("allocations unknown")
                                       .add("error", n.error)
                                       .add("advice", "jobs are terminated as without Slurm; allocations are "
                                                      "released when it tells its jobs again")
                                       .text());
               }),
      _known(center, "AllocationLog", logger,
             [this](const AllocationsKnown&) { _logger.information("allocations known again"); })
{}

void AllocationLog::onKept(const AllocationKept& notification)
{
    const std::string line = LogLine("allocation not released")
                                 .add("job_id", notification.jobId)
                                 .add("slurm_job", notification.slurmJob)
                                 .add("error", notification.error)
                                 .text();
    if (notification.isKnown)
        _logger.debug(line);
    else
        _logger.warning(line);
}

} // namespace HangDetection
