#include "PluginDetector.h"

#include <Poco/AutoPtr.h>
#include <Poco/NullChannel.h>

#include <stdexcept>

namespace HangDetection::Benchmark {

namespace {

Settings settingsFor(const std::string& connectionString, int mostJobs)
{
    Settings settings;
    settings.connection = ConnectionString::parse(connectionString);
    settings.maxJobsPerRun = mostJobs;
    settings.massHangRatio = 0; // all jobs hang here
    return settings;
}

} // namespace

Poco::Logger& silentLogger()
{
    Poco::Logger& logger = Poco::Logger::get("Benchmark");
    logger.setChannel(Poco::AutoPtr<Poco::NullChannel>(new Poco::NullChannel));
    logger.setLevel(Poco::Message::PRIO_INFORMATION);
    return logger;
}

PluginDetector::PluginDetector(const std::string& connectionString, int mostJobs)
    : _log(_notifications, silentLogger()),
      _detector(settingsFor(connectionString, mostJobs), _notifications, nullptr,
                std::chrono::milliseconds(0))
{}

int PluginDetector::run()
{
    const RunStatistics statistics = _detector.run({});
    if (statistics.error)
        throw std::runtime_error("the detector: " + statistics.error->cause);
    return static_cast<int>(statistics.terminated.size());
}

} // namespace HangDetection::Benchmark
