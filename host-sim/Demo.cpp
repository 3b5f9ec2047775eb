#include "Demo.h"

#include "Command.h"
#include "Interruption.h"
#include "slurm/SlurmConf.h"

#include <Poco/Format.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>

namespace HangDetection::Sim {

namespace {

using Kind = DemoJob::Kind;
using Colour = Screen::Colour;

constexpr const char* databaseName = "coder";

/// Far more than the demo takes, even on a machine with much else to do.
constexpr std::chrono::seconds patience{60};

/// Runs come every second.
constexpr std::chrono::seconds lastRun{5};

ThrowawayPostgres& withDatabase(ThrowawayPostgres& postgres)
{
    postgres.createDatabase(databaseName);
    return postgres;
}

} // namespace

Demo::Demo(Options options, Screen& screen)
    : _options(std::move(options)),
      _screen(screen),
      _database(withDatabase(_postgres).connectionString(databaseName)),
      _cluster(_database),
      _listener(_postgres.connectionString(databaseName)),
      _log([this](LogLevel level, const std::string& line) { printLog(level, line); })
{
    for (const DemoJob& job : _cluster.jobs())
        _listener.follow(job.row.id);
}

Demo::Outcome Demo::run()
{
    introduce();
    {
        PluginHost plugin = loadPlugin();
        watchUntilNothingIsHung();
    }
    if (isInterrupted()) {
        _screen.line("interrupted; the database is removed");
        return Outcome::interrupted;
    }
    const bool isComplete = summarize();
    sayHowToLook();
    return isComplete ? Outcome::complete : Outcome::incomplete;
}

void Demo::introduce()
{
    _screen.endLive();
    _screen.line("PostgreSQL started in " + _postgres.directory().string());
    _screen.line(Poco::format("%d jobs: %d running with heartbeats, %d silent for less than 5 minutes, "
                              "%d not running, %d hung",
                              static_cast<int>(_cluster.jobs().size()), _cluster.count(Kind::healthy),
                              _cluster.count(Kind::quiet), _cluster.count(Kind::inactive),
                              _cluster.count(Kind::hung)));
    // Before the plugin comes, or its first run might be faster.
    showCounts();
}

PluginHost Demo::loadPlugin()
{
    const std::filesystem::path slurmConf = _postgres.directory() / "slurm.conf";
    std::ofstream(slurmConf) << "ClusterName=demo\nPluginDir=" << _options.pluginDirectory.string()
                             << "\nJobSubmitPlugins=hang_detector\n";
    std::ofstream(_postgres.directory() / "hang_detector.conf")
        << "Connection=" << _postgres.connectionString(databaseName)
        << "\n# Short, and few at a time, so that there is something to see.\nInterval=1s\nMaxJobsPerRun=3\n";
    PluginHost plugin = PluginHost::fromSlurmConf(slurmConf);
    _screen.line("plugin loaded from " + _options.pluginDirectory.string() +
                 ", a run every second, 3 jobs at most in each");
    _screen.line("");
    return plugin;
}

void Demo::watchUntilNothingIsHung()
{
    const auto until = Clock::now() + patience;
    const auto expected = static_cast<std::size_t>(_cluster.count(Kind::hung));
    auto heartbeatDue = Clock::now();
    while (_notifications.size() < expected && Clock::now() < until && !isInterrupted()) {
        if (Clock::now() >= heartbeatDue) {
            _cluster.sendHeartbeats(_database);
            heartbeatDue += std::chrono::seconds(1);
        }
        showCounts();
        if (const auto notification = _listener.next(std::chrono::milliseconds(100)))
            showTermination(*notification);
    }
    // The end of the run that terminated the last one is still to be told. A notification
    // too many would be a defect, so there is time for one to come.
    if (!isInterrupted())
        _log.waitForRuns(_log.runs() + 1, lastRun);
    while (!isInterrupted()) {
        const auto notification = _listener.next(std::chrono::milliseconds(500));
        if (!notification)
            break;
        showTermination(*notification);
    }
    showCounts();
    _screen.endLive();
}

void Demo::showTermination(const BuildLogNotification& notification)
{
    _notifications[notification.jobId].push_back(notification.payload);
    const auto job =
        std::find_if(_cluster.jobs().begin(), _cluster.jobs().end(),
                     [&](const DemoJob& candidate) { return candidate.row.id == notification.jobId; });
    const std::string description =
        job == _cluster.jobs().end() ? "" : job->row.type + ", " + job->description;
    _screen.line(_screen.coloured("terminated ", Colour::good) + notification.jobId + "  " + description +
                 "\n" + _screen.coloured("  notified " + notification.payload, Colour::faint));
}

void Demo::showCounts()
{
    const Counts counts = countJobs();
    // What is counted as terminated has been shown before: a notification comes a moment after its commit.
    while (_notifications.size() < static_cast<std::size_t>(counts.terminated)) {
        const auto notification = _listener.next(std::chrono::seconds(1));
        if (!notification)
            break;
        showTermination(*notification);
    }
    _screen.live(
        Poco::format("running %d  hung %d  terminated %d", counts.running, counts.hung, counts.terminated));
}

Demo::Counts Demo::countJobs()
{
    std::istringstream answer(
        _database
            .value("SELECT concat_ws(' ', count(*) FILTER (WHERE is_running),"
                   " count(*) FILTER (WHERE is_running AND updated_at <= now() - $1::interval),"
                   " count(*) FILTER (WHERE error LIKE '%terminated by hang detector.'))"
                   " FROM (SELECT *, started_at IS NOT NULL AND completed_at IS NULL AS is_running"
                   " FROM provisioner_jobs) AS job",
                   "5 minutes")
            .value());
    Counts counts;
    answer >> counts.running >> counts.hung >> counts.terminated;
    return counts;
}

bool Demo::summarize()
{
    const std::vector<Effect> effects = checkEffects(_cluster, _database, _notifications);
    _screen.line("");
    _screen.line(Poco::format("%-52s %9s %7s", std::string("effect, in number of jobs"),
                              std::string("expected"), std::string("found")),
                 Colour::strong);
    for (const Effect& effect : effects) {
        _screen.line(Poco::format("%-52s %9d %7d%s", effect.description, effect.expected, effect.found,
                                  std::string(effect.isComplete() ? "" : "   <- missing")),
                     effect.isComplete() ? Colour::good : Colour::bad);
    }
    const bool isComplete =
        std::all_of(effects.begin(), effects.end(), [](const Effect& e) { return e.isComplete(); });
    _screen.line("");
    _screen.line(isComplete ? "every effect is there" : "effects are missing",
                 isComplete ? Colour::good : Colour::bad);
    return isComplete;
}

void Demo::sayHowToLook()
{
    const std::string psql = "psql -h " + _postgres.directory().string() + " -U postgres " + databaseName;
    if (!_options.keepsServer) {
        _screen.line("to look at the database with psql, run the demo with --keep");
        return;
    }
    _postgres.keep();
    std::string stop;
    for (const std::string& word :
         asUser("postgres", {_postgres.binaries() / "pg_ctl", "stop", "-D", _postgres.directory() / "data"}))
        stop += word + " ";
    _screen.line("the database is still running; look at it with");
    _screen.line("    " + psql);
    _screen.line("and when you are done, stop and remove it with");
    _screen.line("    " + stop + "&& rm -r " + _postgres.directory().string());
}

void Demo::printLog(LogLevel level, const std::string& line)
{
    if (level == LogLevel::error)
        _screen.line("error: " + line, Colour::bad);
    else if (_options.isVerbose)
        _screen.line(line, Colour::faint);
}

} // namespace HangDetection::Sim
