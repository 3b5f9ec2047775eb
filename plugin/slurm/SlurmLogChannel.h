#pragma once

#include <Poco/Channel.h>
#include <Poco/Logger.h>
#include <Poco/Message.h>

namespace HangDetection {

class SlurmLogChannel : public Poco::Channel
/// Writes to the log of slurmctld, each line after "job_submit/hang_detector: ".
/// Slurm has no level for warnings: they are logged as errors. A control character
/// in a message becomes '?', so that one message is one line whatever it holds. May
/// be used by any thread.
{
public:
    void log(const Poco::Message& message) override;
};

Poco::Logger& slurmLogger();
/// The logger of the plugin, which writes to slurmctld's log. Level by level it
/// passes on everything: SlurmctldDebug decides what is written.

} // namespace HangDetection
