#include "DatabaseCheck.h"

#include "Duration.h"
#include "Schema.h"
#include "Settings.h"
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
#include <Poco/NotificationCenter.h>
#include <Poco/Tuple.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <utility>

namespace HangDetection::Sim {

namespace {

using Poco::Data::Keywords::bind;
using Poco::Data::Keywords::into;

/// The jobs that are silent for longest.
constexpr int listedJobs = 20;

/// Workers report every second. Coder itself calls a daemon stale after 90 seconds.
constexpr std::chrono::seconds lateHeartbeat{60};

std::string withAdvice(const DatabaseError& error)
{
    return error.advice().empty() ? error.what() : std::string(error.what()) + "; " + error.advice();
}

std::string ago(std::int64_t seconds)
{
    return roughly(std::chrono::seconds(seconds)) + " ago";
}

class DatabaseCheck
{
public:
    DatabaseCheck(const Settings& settings, SetupReport& report) : _settings(settings), _report(report) {}

    void run()
    {
        if (!reachServers())
            return;
        if (readRole()) {
            lookAtClock();
            lookForOtherDetectors();
        }
        tryRun();
    }

private:
    bool reachServers();
    std::optional<std::string> reach(const std::string& address);
    bool readRole();
    bool judge(const std::string& kind, const std::string& feature, const std::string& what);
    void lookAtClock();
    void lookForOtherDetectors();
    void tryRun();
    std::vector<ListedJob> listJobs(JobStore& store);

    template <typename Row, typename... Parameters>
    std::vector<Row> rowsOf(const char* statement, const Parameters&... parameters)
    {
        std::vector<Row> rows;
        Poco::Data::Statement execution = (*_session << statement, into(rows));
        (static_cast<void>((execution, bind(parameters))), ...);
        execution.execute();
        return rows;
    }

    const Settings& _settings;
    SetupReport& _report;
    std::optional<Poco::Data::Session> _session;
    /// Of the first address that takes connections.
};

bool DatabaseCheck::reachServers()
/// A server that refuses, such as a standby, is no problem beside one that does not.
{
    std::vector<std::string> refusals;
    try {
        Libpq::Addresses addresses(withoutSurroundings(_settings.connection));
        while (const auto address = addresses.next()) {
            if (const auto refusal = reach(*address))
                refusals.push_back(*refusal);
        }
    } catch (const DatabaseError& error) {
        refusals.push_back(withAdvice(error));
    } catch (const Libpq::ConnectionRefused& refusal) {
        refusals.push_back(withAdvice(DatabaseError::fromConnecting(refusal)));
    }
    for (const std::string& refusal : refusals) {
        if (_session)
            _report.note("server", refusal);
        else
            _report.problem("server", refusal);
    }
    return _session.has_value();
}

std::optional<std::string> DatabaseCheck::reach(const std::string& address)
/// Why the address takes no connection.
{
    Poco::AutoPtr<Libpq::SessionImpl> session(new Libpq::SessionImpl);
    session->allowCleartextPassword(_settings.connection.isCleartextAllowed());
    try {
        session->open(address);
    } catch (const Libpq::ConnectionRefused& refusal) {
        return withAdvice(DatabaseError::fromConnecting(refusal));
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
    if (!_session)
        _session.emplace(session);
    return std::nullopt;
}

bool DatabaseCheck::readRole()
/// Whether the detector can read the tables.
{
    using Row = Poco::Tuple<std::string, std::string, std::string>;
    std::multimap<std::string, std::pair<std::string, std::string>> found;
    for (const Row& row : rowsOf<Row>(checkRoleSql))
        found.emplace(row.get<0>(), std::pair(row.get<1>(), row.get<2>()));
    bool canRead = true;
    for (const auto& [kind, finding] : found)
        canRead = judge(kind, finding.first, finding.second) && canRead;
    const auto& role = found.find("role")->second.second;
    if (!found.contains("lacking") && !found.contains("beyond") && !found.contains("power"))
        _report.ok("role", role + " has the rights that role.sql grants, and no others");
    else
        _report.ok("role", "connected as " + role);
    if (!found.contains("missing"))
        _report.ok("schema", "that of Coder in " + found.find("schema")->second.second);
    return canRead;
}

bool DatabaseCheck::judge(const std::string& kind, const std::string& feature, const std::string& what)
/// A row of check_role.sql. False when the detector cannot read its tables.
{
    static const std::map<std::string, std::string> consequences{
        {"write", "only a dry run works"},
        {"stalled", "StalledJobDuration does not work"},
        {"daemons", "marks with provisioner_daemon= mean nothing, and the log names no daemons"},
        {"names", "the log has no names of workspaces, owners and templates"},
        {"optional", "each search reads the whole table of jobs"}};
    const bool isSerious = feature == "read" || (feature == "write" && !_settings.dryRun) ||
                           (feature == "stalled" && _settings.stalledJobDuration.count() > 0);
    const auto tell = [&](const std::string& subject, const std::string& text) {
        if (isSerious)
            _report.problem(subject, text);
        else
            _report.note(subject, text + ": " + consequences.at(feature));
    };
    if (kind == "missing")
        tell("schema",
             "neither that of 2023 nor that of 2026, as it lacks " + what +
                 (isSerious ? "; check dbname of Connection, and the search_path of the role" : ""));
    else if (kind == "lacking")
        tell("role", "lacks " + what + (isSerious ? "; run role.sql again" : ""));
    else if (kind == "beyond")
        _report.note("role", "has more rights than role.sql grants: " + what);
    else if (kind == "power")
        _report.note("role",
                     what + "; role.sql makes a role that may do what the detector does, and nothing else");
    else if (kind == "hidden")
        _report.problem("role", "row level security hides rows of " + what +
                                    " from it; let a superuser run ALTER ROLE with BYPASSRLS for it");
    return !(feature == "read" && isSerious) && kind != "hidden";
}

void DatabaseCheck::lookAtClock()
{
    const auto rows = rowsOf<Poco::Tuple<Poco::Int64>>(checkHeartbeatSql);
    if (rows.empty()) {
        _report.ok("clock", "no job runs, so there is no heartbeat to compare the database's clock with");
        return;
    }
    const std::int64_t age = rows.front().get<0>();
    const std::string newest = "by the database's clock, the newest heartbeat of a running job is ";
    if (age < -1)
        _report.note("clock", newest + roughly(std::chrono::seconds(-age)) +
                                  " in the future: the clock of the Coder server is ahead, so hung jobs are "
                                  "terminated that much later");
    else if (age > lateHeartbeat.count())
        _report.note("clock", newest + "of " + ago(age) +
                                  ": no job reports, or the clock of the Coder server is behind");
    else
        _report.ok("clock", newest + "of " + ago(std::max<std::int64_t>(age, 0)));
}

void DatabaseCheck::lookForOtherDetectors()
{
    using Row = Poco::Tuple<std::string, Poco::Int64, Poco::Int64>;
    const auto rows = rowsOf<Row>(checkDetectorsSql);
    for (const Row& row : rows) {
        const std::string jobs = " terminated " + std::to_string(row.get<1>()) +
                                 (row.get<1>() == 1 ? " job" : " jobs") +
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

void DatabaseCheck::tryRun()
/// By the detector itself, as a dry run.
{
    Settings settings = _settings;
    settings.dryRun = true;
    Poco::NotificationCenter notifications;
    const RunStatistics run = HangDetector(settings, notifications).run({});
    if (run.error) {
        _report.problem("run",
                        run.error->cause + (run.error->advice.empty() ? "" : "; " + run.error->advice));
        return;
    }
    const auto number = [](std::int64_t jobs, const char* what) { return std::to_string(jobs) + ' ' + what; };
    std::string text = "a run now would find " + number(run.jobs.running, "running jobs, ") +
                       number(run.jobs.silent, "of them silent, ") + number(run.jobs.hung, "hung");
    if (run.jobs.pending)
        text += ", " + number(*run.jobs.pending, "pending");
    if (run.jobs.stalled)
        text += ", " + number(*run.jobs.stalled, "stalled");
    text += run.held ? ", and hold all of them back as a mass hang"
                     : ", and terminate " + std::to_string(run.wouldTerminate) +
                           (run.wouldCancel > 0 ? " and cancel " + std::to_string(run.wouldCancel) : "");
    if (_settings.dryRun)
        text += ", but DryRun=yes";
    _report.ok("run",
               text + (run.failed > 0 ? "; " + std::to_string(run.failed) + " of them have errors" : ""));

    JobStore store(_settings.connection, _settings.runTimeout);
    store.open({});
    _report.list(listJobs(store));
    if (store.facts().searchesByStatus)
        _report.ok("indexes", "the search uses Coder's index on job_status");
    else if (store.wantsIndex())
        _report.note("indexes", "each search reads the whole table of jobs, which is large; run index.sql");
    else
        _report.ok("indexes", "the table of jobs is small, or has the index of index.sql");
}

std::vector<ListedJob> DatabaseCheck::listJobs(JobStore& store)
{
    using Row = Poco::Tuple<std::string, std::string, std::string, Poco::Int64, std::string>;
    std::vector<ListedJob> jobs;
    std::vector<Termination> named;
    for (const Row& row : rowsOf<Row>(checkJobsSql, _settings.hungJobDuration.count(),
                                      _settings.pendingJobDuration.count(), listedJobs)) {
        jobs.push_back({.id = row.get<0>(),
                        .type = row.get<1>(),
                        .state = row.get<2>(),
                        .silent = std::chrono::seconds(row.get<3>())});
        Termination job;
        job.jobId = row.get<0>();
        job.outcome = Outcome::terminated;
        job.workspaceId = row.get<4>();
        named.push_back(std::move(job));
    }
    store.addNames(named);
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        jobs[i].workspace = named[i].workspace;
        jobs[i].owner = named[i].owner;
        jobs[i].templateName = named[i].templateName;
        jobs[i].daemon = named[i].daemon;
    }
    return jobs;
}

} // namespace

void checkDatabase(const Settings& settings, SetupReport& report)
{
    try {
        DatabaseCheck(settings, report).run();
    } catch (const DatabaseError& error) {
        report.problem("database", withAdvice(error));
    } catch (const Poco::Exception& exception) {
        report.problem("database", withAdvice(DatabaseError::fromStatement(exception, false)));
    }
}

} // namespace HangDetection::Sim
