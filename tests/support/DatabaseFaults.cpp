#include "DatabaseFaults.h"

#include "NotificationListener.h"
#include "OpenTransaction.h"
#include "ServerFaults.h"
#include "StallingProxy.h"
#include "TerminationFaults.h"

#include <algorithm>
#include <list>

namespace HangDetection::Test {

namespace {

using namespace std::chrono_literals;

using Maker = std::function<FaultParts(const FaultSite&)>;

template <typename Fault, typename... Arguments>
FaultParts made(void (Fault::*end)(), Arguments&&... arguments)
/// A fault that is an object, and how that is ended.
{
    const auto fault = std::make_shared<Fault>(std::forward<Arguments>(arguments)...);
    return {.end = [fault, end] { (fault.get()->*end)(); }};
}

FaultParts executed(const FaultSite& site, const std::string& sql, const std::string& undoing)
{
    site.database.session().execute(sql);
    return {.end = [site, undoing] { site.database.session().execute(undoing); }};
}

Maker lockOn(const std::string& table)
{
    return [table](const FaultSite& site) {
        FaultParts parts = made(&OpenTransaction::commit, site.database.connectionString(),
                                "LOCK TABLE " + table + " IN ACCESS EXCLUSIVE MODE");
        parts.holdsARun = [site] { return site.database.isSomebodyWaitingFor("Lock"); };
        return parts;
    };
}

FaultParts freezeStatement(const FaultSite& site)
/// The lock stays when the server is thawed, so that only a cancel ends the statement.
{
    FaultParts parts = lockOn("provisioner_jobs")(site);
    const auto frozen = std::make_shared<std::optional<FrozenServer>>();
    parts.complete = [site, frozen] { frozen->emplace(site.server); };
    parts.end = [frozen, lock = parts.end] { frozen->reset(); };
    return parts;
}

Maker silence(const std::function<void(StallingProxy&)>& fallSilent)
{
    return [fallSilent](const FaultSite& site) -> FaultParts {
        const auto proxy = std::make_shared<StallingProxy>(site.server.directory());
        fallSilent(*proxy);
        return {.end = [proxy] { proxy->endSilence(); },
                .connection = " host=" + proxy->directory().string(),
                .holdsARun = [proxy] { return proxy->waitUntilSilent(0ms); }};
    };
}

FaultParts takeAllConnections(const FaultSite& site)
{
    const auto crowd = std::make_shared<std::list<Sim::NotificationListener>>();
    try {
        while (true)
            crowd->emplace_back(site.database.connectionString() + " user=" + site.role);
    } catch (const std::runtime_error&) {
        return {.end = [crowd] { crowd->clear(); }};
    }
}

FaultParts stopServer(const FaultSite& site)
{
    FaultParts parts = made<Outage>(&Outage::now, site.server);
    parts.end = [site, start = parts.end] {
        start();
        site.database.reconnect();
    };
    return parts;
}

FaultParts startStandby(const FaultSite& site)
{
    const auto standby = std::make_shared<Standby>(site.server);
    return {.end = [standby] { standby->promote(); }, .connection = " host=" + standby->directory().string()};
}

FaultParts slowDown(const FaultSite& site)
{
    slowDownTerminations(site.database.session());
    return {.end = [site] { slowDownTerminationsNoMore(site.database.session()); },
            .holdsARun = [site] { return site.database.isSomebodyWaitingFor("PgSleep"); }};
}

FaultParts endSessions(const FaultSite& site)
{
    endSessionsThatTerminate(site.database.session());
    return {.end = [site] { endSessionsNoMore(site.database.session()); }};
}

FaultParts withdrawPrivilege(const FaultSite& site)
{
    site.database.session().execute("REVOKE INSERT ON provisioner_job_logs FROM " + site.role);
    return {.end = site.grant};
}

FaultParts refuseConnections(const FaultSite& site)
{
    return made(&HbaRule::end, site.server, "local all " + site.role + " reject");
}

FaultParts limitRole(const FaultSite& site)
{
    const std::string limit = "ALTER ROLE " + site.role + " CONNECTION LIMIT ";
    return executed(site, limit + '0', limit + "-1");
}

FaultParts forbidWrites(const FaultSite& site)
{
    const std::string alter = "ALTER DATABASE " + site.database.name();
    return executed(site, alter + " SET default_transaction_read_only = on",
                    alter + " RESET default_transaction_read_only");
}

FaultParts fillDisk(const FaultSite& site)
{
    return made(&FullDisk::free, site.database.connectionString());
}

FaultParts freeze(const FaultSite& site)
{
    return made(&FrozenServer::thaw, site.server);
}

constexpr const char* noConnection = "no connection is left for the detector's role";
constexpr const char* readOnly =
    "the server is a standby or the session is read-only; let Connection name the primary";

const std::vector<DatabaseFault>& databaseFaults()
{
    static const std::vector<DatabaseFault> faults{
        {.name = "aServerThatIsDown", .make = stopServer, .cause = "connection to server on socket"},
        {.name = "aServerThatRefuses",
         .make = refuseConnections,
         .cause = "pg_hba.conf rejects connection",
         .sqlState = "28000",
         .advice =
             "check user and password of Connection in hang_detector.conf, its passfile, and pg_hba.conf "
             "of the server"},
        {.name = "aServerWithoutConnectionsLeft",
         .make = takeAllConnections,
         .cause = "remaining connection slots are reserved",
         .sqlState = "53300",
         .advice = noConnection},
        {.name = "aRoleWithoutConnectionsLeft",
         .make = limitRole,
         .cause = "too many connections for role",
         .sqlState = "53300",
         .advice = noConnection},
        {.name = "aStandby", .make = startStandby, .cause = "session is read-only", .advice = readOnly},
        {.name = "aDatabaseThatIsReadOnly",
         .make = forbidWrites,
         .cause = "session is read-only",
         .advice = readOnly},
        {.name = "aMissingPrivilege",
         .make = withdrawPrivilege,
         .isMetByTerminations = true,
         .cause = "permission denied for table provisioner_job_logs",
         .sqlState = "42501",
         .advice = "run the hang detector's role.sql again"},
        {.name = "aFullDisk",
         .make = fillDisk,
         .isMetByTerminations = true,
         .cause = "No space left on device",
         .sqlState = "53100",
         .advice = "free space on the disk of the database server"},
        {.name = "aSessionThatIsEnded",
         .make = endSessions,
         .isMetByTerminations = true,
         .cause = "terminating connection due to administrator command"},
        {.name = "aLockOnTheJobs", .make = lockOn("provisioner_jobs")},
        {.name = "aLockOnTheLogs",
         .make = lockOn("provisioner_job_logs"),
         .isMetByTerminations = true,
         .cause = "canceling statement due to lock timeout",
         .sqlState = "55P03",
         .advice = "a table stayed locked for longer than lock_timeout, as by a migration"},
        {.name = "aStatementThatTakesLong",
         .make = slowDown,
         .isMetByTerminations = true,
         .sqlState = "57014",
         .advice = "raise RunTimeout"},
        {.name = "aSilentConnect",
         .make = silence([](StallingProxy& proxy) { proxy.fallSilentAtConnection(); }),
         .isAnswered = false},
        {.name = "aSilentLogin",
         .make = silence([](StallingProxy& proxy) { proxy.fallSilentAfterLogin(); }),
         .isAnswered = false},
        {.name = "aSilentStatement",
         .make = silence([](StallingProxy& proxy) { proxy.fallSilentAfterStatement("AS until_next"); }),
         .isAnswered = false},
        {.name = "aFrozenServer", .make = freeze, .isAnswered = false},
        {.name = "aFrozenStatement", .make = freezeStatement, .isAnswered = false},
    };
    return faults;
}

} // namespace

void addRole(TestDatabase& database, const std::string& role)
{
    for (const std::string& sql :
         {"DO $$BEGIN CREATE ROLE " + role + " LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END$$",
          "GRANT ALL ON ALL TABLES IN SCHEMA public TO " + role,
          "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO " + role})
        database.session().execute(sql);
}

const DatabaseFault& databaseFault(const std::string& name)
{
    const auto fault = std::ranges::find(databaseFaults(), name, &DatabaseFault::name);
    if (fault == databaseFaults().end())
        throw std::out_of_range("no fault is called " + name);
    return *fault;
}

} // namespace HangDetection::Test
