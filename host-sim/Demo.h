#pragma once

#include "DemoCheck.h"
#include "DemoCluster.h"
#include "HostLog.h"
#include "NotificationListener.h"
#include "PluginHost.h"
#include "Screen.h"
#include "ThrowawayPostgres.h"

#include <chrono>
#include <filesystem>

namespace HangDetection::Sim {

class Demo
/// Shows the plugin at work, on a PostgreSQL server and jobs of its own: loads it,
/// shows every termination as it happens, and checks all effects at the end.
{
public:
    struct Options
    {
        std::filesystem::path pluginDirectory;
        bool isVerbose = false;
        /// Show the whole log of the plugin.
        bool keepsServer = false;
        /// Leave the database running for a look at it.
    };

    Demo(Options options, Screen& screen);
    /// Starts the server and fills its database. Throws std::runtime_error.

    bool run();
    /// True when every effect was found.

private:
    using Clock = std::chrono::steady_clock;

    void introduce();
    PluginHost loadPlugin();
    void watchUntilNothingIsHung();
    void showTermination(const BuildLogNotification& notification);
    void showCounts();
    int count(const std::string& condition);
    bool summarize();
    void sayHowToLook();
    void printLog(LogLevel level, const std::string& line);

    const Options _options;
    Screen& _screen;
    ThrowawayPostgres _postgres;
    JobDatabase _database;
    DemoCluster _cluster;
    NotificationListener _listener;
    NotificationsByJob _notifications;
    HostLog _log;
};

} // namespace HangDetection::Sim
