#pragma once

#include "DemoCheck.h"
#include "DemoCluster.h"
#include "DemoTable.h"
#include "HostLog.h"
#include "NotificationListener.h"
#include "PluginHost.h"
#include "ProgressBar.h"
#include "Screen.h"
#include "SimulatedQueue.h"
#include "SuspendedJobs.h"
#include "ThrowawayPostgres.h"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace HangDetection::Sim {

class Demo
/// Shows the plugin at work, with its own PostgreSQL server, jobs and queue of Slurm jobs: loads it, shows
/// what happens to each job, and checks all effects at the end. On a terminal it shows a live table;
/// otherwise a line for each event, and the table at the end.
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

    ThrowawayPostgres& withJobTables();
    void introduce();
    PluginHost loadPlugin();
    void showRefusal(PluginHost& plugin);
    void watchFor(std::chrono::milliseconds time);
    void watchUntilNothingIsLeft();
    bool isAnythingLeft();
    bool watch();
    void showNotification(const BuildLogNotification& notification);
    void showJobs();
    void showNews(const std::vector<SimulatedJob>& slurmJobs, const std::set<std::string>& suspended);
    std::string describe(const std::string& jobId) const;
    bool summarize();
    void sayHowToLook();
    void onLog(LogLevel level, const std::string& line);

    const Clock::time_point _start = Clock::now();
    const Options _options;
    Screen& _screen;
    ProgressBar _startup;
    ThrowawayPostgres _postgres;
    JobDatabase _database;
    DemoCluster _cluster;
    NotificationListener _listener;
    NotificationsByJob _notifications;
    int _shownTerminations = 0;
    SimulatedQueue _slurm;
    DemoTable _table;
    SuspendedJobs _suspended;
    Clock::time_point _heartbeatDue = Clock::now();
    Clock::time_point _drawingDue = Clock::now();
    std::string _shownCounts;
    std::set<std::uint32_t> _shownCancelled;
    std::set<std::string> _shownSuspended;
    HostLog _log;
};

} // namespace HangDetection::Sim
