#include "Demo.h"

#include "Command.h"
#include "Interruption.h"
#include "slurm/SlurmConf.h"

#include <Poco/Format.h>
#include <Poco/String.h>

#include <algorithm>
#include <fstream>
#include <utility>

namespace HangDetection::Sim {

namespace {

using Kind = DemoJob::Kind;
using Colour = Screen::Colour;

constexpr const char* databaseName = "coder";

/// initdb, start, tables, jobs.
constexpr int startupSteps = 4;

/// Far more than the demo takes, even on a machine with much else to do.
constexpr std::chrono::seconds patience{60};

/// Runs come every second.
constexpr std::chrono::seconds lastRun{5};

/// For what should not come.
constexpr std::chrono::milliseconds quietTime{500};

/// So that there is time to see the jobs before the plugin comes.
constexpr std::chrono::milliseconds previewTime{1500};

constexpr std::chrono::milliseconds heartbeatInterval{1000};
constexpr std::chrono::milliseconds drawingInterval{200};

constexpr std::size_t summaryWidth = 58;

std::string summaryLine(const std::string& description, const std::string& expected, const std::string& found,
                        std::size_t columns)
/// Descriptions are wrapped where there is little room. The numbers are in the last line.
{
    constexpr std::size_t numbers = 18;
    const std::size_t width = std::min(summaryWidth, columns > numbers ? columns - numbers : 0);
    std::vector<std::string> lines = Screen::wrapped(description, width);
    lines.back().resize(std::max(width, lines.back().size()), ' ');
    return Poco::cat(std::string("\n"), lines.begin(), lines.end()) +
           Poco::format("%10s%8s", expected, found);
}

} // namespace

Demo::Demo(Options options, Screen& screen)
    : _options(std::move(options)),
      _screen(screen),
      _startup(screen, "starting PostgreSQL", startupSteps),
      _postgres(ThrowawayPostgres::Disk::spared, [this](const std::string& step) { _startup.begin(step); }),
      _database(withJobTables().connectionString(databaseName)),
      _cluster(_database),
      _listener(_postgres.connectionString(databaseName)),
      _table(_cluster),
      _log([this](LogLevel level, const std::string& line) { onLog(level, line); })
{
    for (const DemoJob& job : _cluster.jobs())
        _listener.follow(job.row.id);
    for (const SimulatedJob& job : _cluster.slurmJobs())
        _slurm.add(job.comment, job.state);
    _screen.endBlock();
}

ThrowawayPostgres& Demo::withJobTables()
{
    _startup.begin("tables");
    _postgres.createDatabase(databaseName);
    _startup.begin("jobs");
    return _postgres;
}

Demo::Outcome Demo::run()
{
    introduce();
    {
        PluginHost plugin = loadPlugin();
        showRefusal(plugin);
        watchUntilNothingIsLeft();
    }
    _screen.endBlock();
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
    _screen.text("PostgreSQL started in " + _postgres.directory().string());
    _screen.text(Poco::format(
        "%d jobs: %d running with heartbeats, %d silent for less than 5 minutes, "
        "%d not running, %d suspended by Slurm, %d pending for too long, %d whose Slurm job has failed, "
        "%d that does not move, %d hung or about to be",
        static_cast<int>(_cluster.jobs().size()), _cluster.count(Kind::healthy), _cluster.count(Kind::quiet),
        _cluster.count(Kind::inactive), _cluster.count(Kind::suspended), _cluster.count(Kind::pending),
        _cluster.count(Kind::ended), _cluster.count(Kind::stalled), _cluster.count(Kind::hung)));
    _screen.text(
        Poco::format("%d Slurm jobs in a simulated queue", static_cast<int>(_cluster.slurmJobs().size())));
    // Before the plugin comes, or its first run might be faster.
    if (_screen.isTerminal())
        watchFor(previewTime);
    else
        showJobs();
}

PluginHost Demo::loadPlugin()
{
    const std::filesystem::path slurmConf = _postgres.directory() / "slurm.conf";
    std::ofstream(slurmConf) << "ClusterName=demo\nPluginDir=" << _options.pluginDirectory.string()
                             << "\nJobSubmitPlugins=hang_detector\n";
    std::ofstream(_postgres.directory() / "hang_detector.conf")
        << "Connection=" << _postgres.connectionString(databaseName)
        << "\nPendingJobDuration=30m\nReleaseAllocations=yes\nEndedJobDuration=10s\nTrustedUsers=0\n"
           "StalledJobDuration=2h\n"
           "# Short, and few at a time, so that there is something to see.\nInterval=1s\nMaxJobsPerRun=3\n";
    PluginHost plugin = PluginHost::fromSlurmConf(slurmConf);
    _screen.text("plugin loaded from " + _options.pluginDirectory.string() +
                 ", a run every second, 3 jobs at most in each");
    return plugin;
}

void Demo::showRefusal(PluginHost& plugin)
{
    const std::string comment = "provisioner_job=junk";
    const auto refusal = plugin.submitJob(comment);
    _screen.text("sbatch --comment=" + comment + ": " + (refusal ? "refused: " + *refusal : "not refused"),
                 refusal ? Colour::plain : Colour::bad);
}

void Demo::watchFor(std::chrono::milliseconds time)
{
    const auto until = Clock::now() + time;
    while (Clock::now() < until && !isInterrupted())
        watch();
}

void Demo::watchUntilNothingIsLeft()
{
    const auto until = Clock::now() + patience;
    while (isAnythingLeft() && Clock::now() < until && !isInterrupted())
        watch();
    // The end of the run that did the last of it is still to be told. A notification too many
    // would be a defect, so there is time for one to come.
    const int runs = _log.runs();
    const auto lastEnd = Clock::now() + lastRun;
    auto quietSince = Clock::now();
    while ((_log.runs() == runs || Clock::now() - quietSince < quietTime) && Clock::now() < lastEnd &&
           !isInterrupted()) {
        if (watch())
            quietSince = Clock::now();
    }
    showJobs();
}

bool Demo::isAnythingLeft()
{
    return _shownTerminations < _cluster.terminations() || !_cluster.areStalledOver(_database) ||
           _suspended.ids().size() < static_cast<std::size_t>(_cluster.count(Kind::suspended));
}

bool Demo::watch()
/// For a moment. True when a notification came.
{
    if (Clock::now() >= _heartbeatDue) {
        _cluster.sendHeartbeats(_database);
        _heartbeatDue += heartbeatInterval;
    }
    if (Clock::now() >= _drawingDue) {
        showJobs();
        _drawingDue = Clock::now() + drawingInterval;
    }
    const auto notification = _listener.next(std::chrono::milliseconds(100));
    if (notification)
        showNotification(*notification);
    return notification.has_value();
}

void Demo::showNotification(const BuildLogNotification& notification)
{
    _notifications[notification.jobId].push_back(notification.payload);
    const bool isTerminated = notification.payload.find("end_of_logs") != std::string::npos;
    _shownTerminations += isTerminated ? 1 : 0;
    if (_screen.isTerminal())
        return;
    _screen.line((isTerminated ? "terminated " : "canceled ") + notification.jobId + "  " +
                 describe(notification.jobId));
    _screen.line("  notified " + notification.payload);
}

void Demo::showJobs()
{
    const std::vector<SimulatedJob> slurmJobs = _slurm.jobs();
    const std::set<std::string> suspended = _suspended.ids();
    _table.update(_database.look(), slurmJobs, suspended);
    const DemoTable::Counts counts = _table.counts();
    // What is counted as terminated has been shown before: a notification comes a moment after its commit.
    while (_shownTerminations < counts.terminated) {
        const auto notification = _listener.next(std::chrono::seconds(1));
        if (!notification)
            break;
        showNotification(*notification);
    }
    std::string text = Poco::format("running %d  hung %d  terminated %d  canceled %d", counts.running,
                                    counts.hung, counts.terminated, counts.canceled);
    if (_screen.isTerminal()) {
        const Screen::Size size = _screen.size();
        std::vector<Screen::Line> lines = _table.lines({size.columns, size.rows - 1});
        text += Poco::format("  notified %z", _notifications.size());
        lines.push_back({{text, Colour::strong}});
        _screen.block(std::move(lines));
        return;
    }
    showNews(slurmJobs, suspended);
    if (text != std::exchange(_shownCounts, text))
        _screen.line(text);
}

void Demo::showNews(const std::vector<SimulatedJob>& slurmJobs, const std::set<std::string>& suspended)
/// Of Slurm, since the last time.
{
    for (const SimulatedJob& job : slurmJobs) {
        if (job.state == SimulatedJob::State::cancelled && _shownCancelled.insert(job.id).second)
            _screen.line(Poco::format("cancelled Slurm job %u, %s", job.id, job.comment));
    }
    for (const std::string& job : suspended) {
        if (_shownSuspended.insert(job).second)
            _screen.line("left alone " + job + "  " + describe(job) + "\n  its Slurm job is suspended");
    }
}

std::string Demo::describe(const std::string& jobId) const
{
    const auto job = std::find_if(_cluster.jobs().begin(), _cluster.jobs().end(),
                                  [&](const DemoJob& candidate) { return candidate.row.id == jobId; });
    return job == _cluster.jobs().end() ? "" : job->row.type + ", " + job->description;
}

bool Demo::summarize()
{
    const std::size_t columns = _screen.size().columns;
    _screen.line("");
    for (const Screen::Line& line : _table.lines({columns, Screen::noLimit}))
        _screen.line(Screen::cut(line, columns));
    const std::vector<Effect> effects = checkEffects(_cluster, _database, _notifications, _slurm.jobs());
    const bool isComplete = std::ranges::all_of(effects, [](const Effect& e) { return e.isComplete(); });
    const std::string missing = "   <- missing";
    const std::size_t room = isComplete ? columns : columns - std::min(columns, missing.size());
    _screen.line("");
    _screen.line(summaryLine("effect, in number of jobs", "expected", "found", room), Colour::strong);
    for (const Effect& effect : effects) {
        _screen.line(summaryLine(effect.description, std::to_string(effect.expected),
                                 std::to_string(effect.found), room) +
                         (effect.isComplete() ? "" : missing),
                     effect.isComplete() ? Colour::good : Colour::bad);
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - _start).count();
    _screen.line("");
    _screen.line(Poco::format("%s, after %.1f seconds",
                              std::string(isComplete ? "every effect is there" : "effects are missing"),
                              seconds),
                 isComplete ? Colour::good : Colour::bad);
    return isComplete;
}

void Demo::sayHowToLook()
{
    const std::string psql = "psql -h " + _postgres.directory().string() + " -U postgres " + databaseName;
    if (!_options.keepsServer) {
        _screen.text("to look at the database with psql, run the demo with --keep");
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

void Demo::onLog(LogLevel level, const std::string& line)
{
    _suspended.read(line);
    if (level == LogLevel::error)
        _screen.line("error: " + line, Colour::bad);
    else if (_options.isVerbose)
        _screen.line(line, Colour::faint);
}

} // namespace HangDetection::Sim
