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

    enum class Outcome
    {
        complete,   /// every effect was found
        incomplete, /// effects are missing
        interrupted /// by the user; nothing was checked
    };

    Demo(Options options, Screen& screen);
    /// Starts the server and fills its database. Throws std::runtime_error.

    Outcome run();
    /// Loads the plugin, shows what it does until no job is hung, and checks the effects.

private:
    using Clock = std::chrono::steady_clock;

    struct Counts
    /// Of jobs, at one instant.
    {
        int running = 0;
        int hung = 0;
        int terminated = 0;
    };

    void introduce();
    PluginHost loadPlugin();
    void watchUntilNothingIsHung();
    void showTermination(const BuildLogNotification& notification);
    void showCounts();
    Counts countJobs();
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
