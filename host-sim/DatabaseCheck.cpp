#include "DatabaseCheck.h"

#include "Schema.h"
#include "Settings.h"
#include "data/Connection.h"
#include "data/DatabaseError.h"
#include "data/JobStore.h"
#include "data/Surroundings.h"
#include "detection/HangDetector.h"
#include "libpq/Addresses.h"
#include "libpq/Errors.h"
#include "libpq/SessionImpl.h"

#include <Poco/AutoPtr.h>
#include <Poco/Data/Session.h>
#include <Poco/Exception.h>
#include <Poco/NObserver.h>
#include <Poco/NotificationCenter.h>
#include <Poco/Tuple.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <thread>
#include <utility>

namespace HangDetection::Sim {

namespace {

using Poco::Data::Keywords::bind;
using Poco::Data::Keywords::into;

/// Those that matter most come first.
constexpr int listedJobs = 20;

/// Limit of each question, but for the run, which has RunTimeout.
constexpr std::chrono::seconds patience{30};

/// Workers report every second. Coder itself calls a daemon stale after 90 seconds.
constexpr std::chrono::seconds lateHeartbeat{60};

/// The SQLSTATE of a server or a role that has as many sessions as it may have.
constexpr const char* noConnectionLeft = "53300";

std::string withAdvice(const DatabaseError& error)
{
    return error.advice().empty() ? error.what() : std::string(error.what()) + "; " + error.advice();
}

std::string ago(std::int64_t seconds)
{
    return roughly(std::chrono::seconds(seconds)) + " ago";
}

std::string number(std::int64_t count, const std::string& what)
{
    return std::to_string(count) + ' ' + what;
}

Libpq::WaitLimit soon()
{
    return Libpq::WaitLimit{}.within(patience);
}

class LastSession
/// The server may still be ending the session before, which counts for the limits of the role and the server.
{
public:
    bool mayStillEnd(const std::string& sqlState)
    /// Whether to try once more. Waits a moment then.
    {
        constexpr std::chrono::milliseconds moment{200};
        if (sqlState != noConnectionLeft || _tries == 0)
            return false;
        --_tries;
        std::this_thread::sleep_for(moment);
        return true;
    }

private:
    int _tries = 10;
};

template <typename Open>
void openAfterLastSession(const Open& open)
{
    for (LastSession last;;) {
        try {
            open();
            return;
        } catch (const DatabaseError& error) {
            if (!last.mayStillEnd(error.sqlState()))
                throw;
        }
    }
}

class FoundByRun
/// The jobs that a dry run found to be hung or pending. It has to live as long as the detector.
{
public:
    explicit FoundByRun(Poco::NotificationCenter& notifications)
    {
        listen<JobWouldBeTerminated>(notifications);
        listen<JobFailed>(notifications);
        listen<JobSkipped>(notifications);
    }

    FoundByRun(const FoundByRun&) = delete;
    FoundByRun& operator=(const FoundByRun&) = delete;

    bool has(const JobId& job) const { return _jobs.contains(job); }

private:
    template <typename Notification>
    void listen(Poco::NotificationCenter& notifications)
    {
        notifications.addObserver(
            Poco::NObserver<FoundByRun, Notification>(*this, &FoundByRun::add<Notification>));
    }

    template <typename Notification>
    void add(const Poco::AutoPtr<Notification>& notification)
    {
        _jobs.insert(notification->job.jobId);
    }

    std::set<JobId> _jobs;
};

class DatabaseCheck
/// Has one session at a time: the role may have a limit.
{
public:
    DatabaseCheck(const Settings& settings, bool areSettingsRight, SetupReport& report)
        : _settings(settings),
          _areSettingsRight(areSettingsRight),
          _report(report),
          _connection(settings.connection, patience)
    {}

    void run()
    {
        bool canWork = false;
        const auto error = errorOf([&] { canWork = reachServers() && readRole(); });
        if (error)
            _report.problem("server", withAdvice(*error));
        if (!canWork)
            return;
        look("clock", [&] { lookAtClock(); });
        look("Coder", [&] { lookForOtherDetectors(); });
        look("jobs", [&] { listJobs(); });
        _connection.drop();
        tryRun();
        look("indexes", [&] { askStore(); });
        _report.list(std::move(_jobs), _left);
    }

private:
    template <typename Action>
    std::optional<DatabaseError> errorOf(const Action& action)
    {
        try {
            action();
        } catch (const DatabaseError& error) {
            return error;
        } catch (const Poco::Exception& exception) {
            return DatabaseError::fromStatement(exception, _connection.isLost());
        }
        return std::nullopt;
    }

    template <typename Action>
    void look(const std::string& subject, const Action& action)
    /// The detector works without it, so an error is no problem. The rest may wait as long in vain, so that
    /// is left to the run.
    {
        if (_hasLookFailed)
            return;
        if (const auto error = errorOf(action)) {
            _hasLookFailed = true;
            _report.note(subject, withAdvice(*error));
        }
    }

    bool reachServers();
    std::optional<DatabaseError> reach(const std::string& address);
    bool readRole();
    bool judge(const std::string& kind, const std::string& feature, const std::string& what);
    void lookAtClock();
    void lookForOtherDetectors();
    void listJobs();
    void tryRun();
    void askStore();
    void addNames(JobStore& store);

    template <typename Row, typename... Parameters>
    std::vector<Row> rowsOf(const char* statement, const Parameters&... parameters)
    {
        std::vector<Row> rows;
        openAfterLastSession([&] { _connection.open(soon()); });
        Poco::Data::Session session = _connection.session();
        Poco::Data::Statement execution = (session << statement, into(rows));
        (static_cast<void>((execution, bind(parameters))), ...);
        execution.execute();
        return rows;
    }

    std::string shown(std::string text) const { return _connection.withoutPasswords(std::move(text)); }
    /// A server may write a password into any text.

    const Settings& _settings;
    const bool _areSettingsRight;
    SetupReport& _report;
    Connection _connection;
    bool _hasLookFailed = false;
    std::vector<ListedJob> _jobs;
    std::int64_t _left = 0;
    /// Jobs that are not listed.
    std::int64_t _silent = 0;
};

bool DatabaseCheck::reachServers()
/// A server that refuses, such as a standby, is no problem beside one that does not.
{
    std::vector<DatabaseError> refusals;
    std::size_t addresses = 0;
    try {
        Libpq::Addresses all(withoutSurroundings(_settings.connection));
        for (; const auto address = all.next(); ++addresses) {
            if (const auto refusal = reach(*address))
                refusals.push_back(*refusal);
        }
    } catch (const Libpq::ConnectionRefused& refusal) {
        throw DatabaseError::fromConnecting(refusal);
    }
    const bool isReached = refusals.size() < addresses;
    for (const DatabaseError& refusal : refusals) {
        if (isReached)
            _report.note("server", withAdvice(refusal));
        else if (refusal.sqlState() == noConnectionLeft)
            _report.note("server", withAdvice(refusal) + "; if the plugin runs already, it has one");
        else
            _report.problem("server", withAdvice(refusal));
    }
    return isReached;
}

std::optional<DatabaseError> DatabaseCheck::reach(const std::string& address)
/// Why the address takes no connection.
{
    Poco::AutoPtr<Libpq::SessionImpl> session(new Libpq::SessionImpl);
    session->setLimit(soon());
    session->allowCleartextPassword(_settings.connection.isCleartextAllowed());
    try {
        session->open(address);
    } catch (const Libpq::ConnectionRefused& refusal) {
        return DatabaseError::fromConnecting(refusal);
    }
    const std::string server = session->server();
    const std::string numeric = Libpq::valueOf(Libpq::writtenOptions(address), "hostaddr").value_or("");
    const std::string where =
        server + (numeric.empty() || server.starts_with(numeric) ? "" : " (" + numeric + ')');
    const std::string tls = session->tlsVersion();
    if (tls.empty() && !server.starts_with('/'))
        _report.note("server", where + " is reached without TLS; sslmode=require in Connection demands it");
    else
        _report.ok("server", where + " is reached" + (tls.empty() ? "" : " with " + tls));
    return std::nullopt;
}

bool DatabaseCheck::readRole()
/// Whether the detector can work with the tables.
{
    using Row = Poco::Tuple<std::string, std::string, std::string>;
    std::multimap<std::string, std::pair<std::string, std::string>> found;
    for (const Row& row : rowsOf<Row>(checkRoleSql))
        found.emplace(row.get<0>(), std::pair(row.get<1>(), shown(row.get<2>())));
    const auto has = [&](const char* kind) { return found.contains(kind); };
    const auto textOf = [&](const char* kind) { return has(kind) ? found.find(kind)->second.second : ""; };

    bool canWork = true;
    for (const auto& [kind, finding] : found)
        canWork = judge(kind, finding.first, finding.second) && canWork;
    if (!canWork || has("lacking") || has("beyond") || has("power"))
        _report.ok("role", "connected as " + textOf("role"));
    else
        _report.ok("role", textOf("role") + " has the rights that role.sql grants, and no others");
    if (canWork)
        _report.ok("schema", "that of Coder in " + textOf("schema"));
    return canWork;
}

bool DatabaseCheck::judge(const std::string& kind, const std::string& feature, const std::string& what)
/// A row of check_role.sql. False when the detector cannot work.
{
    static const std::map<std::string, std::string> consequences{
        {"write", "only a dry run works"},
        {"status", "each search reads the whole table of jobs"},
        {"stalled", "StalledJobDuration does not work"},
        {"daemons", "marks with provisioner_daemon= are not used, and the log names no daemons"},
        {"seen", "the log does not say when the daemon of a job was seen"},
        {"names", "the log has no names of workspaces, owners and templates"}};
    const bool isSerious = feature == "read" || (feature == "write" && !_settings.dryRun) ||
                           (feature == "stalled" && _settings.stalledJobDuration.count() > 0);
    const auto tell = [&](const std::string& subject, const std::string& text, const std::string& advice) {
        if (isSerious)
            _report.problem(subject, text + "; " + advice);
        else
            _report.note(subject,
                         text + ": " + consequences.at(feature) + (kind == "lacking" ? "; " + advice : ""));
    };
    if (kind == "missing")
        tell("schema", "there is no " + what,
             "this is neither the schema of 2023 nor that of 2026; check dbname of Connection, and the "
             "search_path of the role");
    else if (kind == "lacking")
        tell("role", "lacks " + what, "run role.sql again");
    else if (kind == "beyond")
        _report.note("role", "has more rights than role.sql grants: " + what);
    else if (kind == "power")
        _report.note("role",
                     what + "; role.sql makes a role that may do what the detector does, and nothing else");
    else if (kind == "hidden" && feature != "read")
        _report.note("role", "row level security hides rows of " + what + ": " + consequences.at(feature));
    else if (kind == "hidden")
        _report.problem("role", "row level security hides rows of " + what +
                                    "; let a superuser run ALTER ROLE with BYPASSRLS for this role");
    else if (kind == "read-only" && _settings.dryRun)
        _report.note("server", what + ": only a dry run works");
    else if (kind == "read-only")
        _report.problem("server",
                        what + "; let Connection name the primary, with target_session_attrs=read-write");
    return feature != "read" && !(kind == "read-only" && !_settings.dryRun);
}

void DatabaseCheck::lookAtClock()
{
    const auto rows = rowsOf<Poco::Tuple<Poco::Int64>>(checkHeartbeatSql);
    if (rows.empty()) {
        _report.ok("clock", "no job runs, so there is no heartbeat to compare the database's clock with");
        return;
    }
    const std::int64_t age = rows.front().get<0>();
    const std::string newest = "by the database's clock, the newest heartbeat of a running job came ";
    if (age < -1)
        _report.note("clock",
                     newest + "from the future, by " + roughly(std::chrono::seconds(-age)) +
                         ": the clock of the Coder server is ahead, so a hung job is terminated that much "
                         "later");
    else if (age > lateHeartbeat.count())
        _report.note("clock",
                     newest + ago(age) + ": no job reports, or the clock of the Coder server is behind");
    else
        _report.ok("clock", newest + ago(std::max<std::int64_t>(age, 0)));
}

void DatabaseCheck::lookForOtherDetectors()
{
    using Row = Poco::Tuple<std::string, Poco::Int64, Poco::Int64>;
    const auto rows = rowsOf<Row>(checkDetectorsSql);
    for (const Row& row : rows) {
        const std::string jobs = " terminated " + number(row.get<1>(), row.get<1>() == 1 ? "job" : "jobs") +
                                 " in the last 7 days, the last one " + ago(row.get<2>());
        if (row.get<0>() == "the reaper")
            _report.note("Coder",
                         "Coder's own detector, the reaper," + jobs +
                             "; it may stay on, and CODER_JOB_HANG_DETECTOR_INTERVAL=8760h of the Coder "
                             "servers switches it off");
        else
            _report.ok("Coder", "this plugin, or the detector of a Coder server before mid-2025," + jobs);
    }
    if (rows.empty())
        _report.ok("Coder", "no detector has terminated a job in the last 7 days");
}

void DatabaseCheck::listJobs()
{
    using Row = Poco::Tuple<std::string, std::string, std::string, Poco::Int64, std::string, Poco::Int64,
                            Poco::Int64>;
    for (const Row& row : rowsOf<Row>(checkJobsSql, _settings.hungJobDuration.count(),
                                      _settings.pendingJobDuration.count(), listedJobs)) {
        _jobs.push_back({.id = row.get<0>(),
                         .type = row.get<1>(),
                         .state = row.get<2>(),
                         .silent = std::chrono::seconds(row.get<3>()),
                         .workspaceId = row.get<4>()});
        _left = row.get<5>() - listedJobs;
        _silent = row.get<6>();
    }
}

void DatabaseCheck::tryRun()
/// By the detector itself, as a dry run. What it finds goes into the list: it also knows of clocks that are
/// behind.
{
    Settings settings = _settings;
    settings.dryRun = true;
    settings.maxJobsPerRun = std::numeric_limits<int>::max();
    Poco::NotificationCenter notifications;
    const FoundByRun found(notifications);
    HangDetector detector(settings, notifications);
    RunStatistics run = detector.run({});
    for (LastSession last; run.error && last.mayStillEnd(run.error->sqlState);)
        run = detector.run({});
    if (run.error) {
        _report.problem("run",
                        run.error->cause + (run.error->advice.empty() ? "" : "; " + run.error->advice));
        return;
    }
    for (ListedJob& job : _jobs) {
        if (!run.held && !found.has(job.id) && job.state == "hung") {
            job.state = "silent";
            ++_silent;
        }
    }
    std::string text = "a run now would find " + number(run.jobs.running, "running jobs, ") +
                       number(run.jobs.hung, "hung, ") + number(_silent, "more silent for a minute");
    if (run.jobs.pending)
        text += ", " + number(*run.jobs.pending, "pending");
    if (run.jobs.stalled)
        text += ", " + number(*run.jobs.stalled, "stalled");
    if (!_areSettingsRight) {
        _report.note("run",
                     text + "; but with these settings a slurmctld that starts terminates nothing, and one "
                            "that runs keeps its earlier settings");
        return;
    }
    if (run.held) {
        _report.note("run", text + ", and hold all of them back as a mass hang");
        return;
    }
    text += ", and terminate " + std::to_string(run.wouldTerminate);
    if (run.wouldTerminate > _settings.maxJobsPerRun)
        text += " (" + std::to_string(_settings.maxJobsPerRun) + " in each run: MaxJobsPerRun)";
    if (run.wouldCancel > 0)
        text += " and cancel " + std::to_string(run.wouldCancel);
    if (_settings.dryRun)
        text += ", but DryRun=yes";
    if (run.failed > 0)
        _report.note(
            "run", text + "; " +
                       number(run.failed, "more cannot be terminated, see 'job not terminated' in the log"));
    else
        _report.ok("run", text);
}

void DatabaseCheck::askStore()
{
    JobStore store(_settings.connection, patience);
    openAfterLastSession([&] { store.open(soon()); });
    addNames(store);
    if (store.facts().searchesByStatus)
        _report.ok("indexes", "the search uses Coder's index on job_status");
    else if (store.wantsIndex())
        _report.note("indexes", "each search reads the whole table of jobs, which is large; run index.sql");
    else
        _report.ok("indexes", "the table of jobs is small, or has the index of index.sql");
}

void DatabaseCheck::addNames(JobStore& store)
/// To the list of jobs. The store names jobs that it has terminated.
{
    std::vector<Termination> named;
    for (const ListedJob& job : _jobs) {
        Termination& answer = named.emplace_back();
        answer.jobId = job.id;
        answer.outcome = Outcome::terminated;
        answer.workspaceId = job.workspaceId;
    }
    store.addNames(named);
    for (std::size_t i = 0; i < _jobs.size(); ++i) {
        _jobs[i].workspace = named[i].workspace;
        _jobs[i].owner = named[i].owner;
        _jobs[i].templateName = named[i].templateName;
        _jobs[i].daemon = named[i].daemon;
    }
}

} // namespace

void checkDatabase(const Settings& settings, bool areSettingsRight, SetupReport& report)
{
    DatabaseCheck(settings, areSettingsRight, report).run();
}

} // namespace HangDetection::Sim
