#pragma once

#include <Poco/Channel.h>
#include <Poco/Logger.h>
#include <Poco/Message.h>

namespace HangDetection {

class SlurmLogChannel : public Poco::Channel
/// Writes to slurmctld's log, each line with "job_submit/hang_detector: " before it. Slurm has no level for
/// warnings, so they are logged as errors. The texts are escaped, also those that quote a setting, so each
/// message is one line. May be used by any thread.
{
public:
    void log(const Poco::Message& message) override;
};

Poco::Logger& slurmLogger();
/// The logger of the plugin. It passes every level on to slurmctld's log: SlurmctldDebug decides what is
/// written.

} // namespace HangDetection
