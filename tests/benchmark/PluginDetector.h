#pragma once

#include "Contender.h"
#include "detection/HangDetector.h"
#include "notification/RunLog.h"

#include <Poco/Logger.h>
#include <Poco/NotificationCenter.h>

namespace HangDetection::Benchmark {

Poco::Logger& silentLogger();
/// Has each line made that slurmctld's log would have, and keeps none.

class PluginDetector : public Contender
/// The plugin's detector with its log, without slurmctld around it.
{
public:
    PluginDetector(const std::string& connectionString, int mostJobs);

    void look() override { run(); }

    int run() override;

private:
    Poco::NotificationCenter _notifications;
    RunLog _log;
    HangDetector _detector;
};

} // namespace HangDetection::Benchmark
