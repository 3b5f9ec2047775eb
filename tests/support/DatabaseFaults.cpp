#include "DatabaseFaults.h"

#include "FrozenServer.h"
#include "FullDisk.h"
#include "HbaRule.h"
#include "NotificationListener.h"
#include "OpenTransaction.h"
#include "Outage.h"
#include "StallingProxy.h"
#include "Standby.h"
#include "TerminationFaults.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <iostream>
#include <list>
#include <memory>
#include <optional>
#include <stdexcept>

namespace HangDetection::Test {

namespace {

using namespace std::chrono_literals;

FaultParts lockTable(const FaultSite& site, const std::string& table)
{
    const auto migration = std::make_shared<OpenTransaction>(
        site.database.connectionString(), "LOCK TABLE " + table + " IN ACCESS EXCLUSIVE MODE");
    return {.end = [migration] { migration->commit(); },
            .holdsARun = [site] { return site.database.isSomebodyWaitingFor("Lock"); }};
}

FaultParts freezeStatement(const FaultSite& site)
/// The lock stays when the server is thawed, so that only a cancel ends the statement.
{
    FaultParts parts = lockTable(site, "provisioner_jobs");
    const auto frozen = std::make_shared<std::optional<FrozenServer>>();
    parts.complete = [site, frozen] { frozen->emplace(site.server); };
    parts.end = [frozen, migration = parts.end] { frozen->reset(); };
    return parts;
}

FaultParts silence(const FaultSite& site, const std::function<void(StallingProxy&)>& fallSilent)
{
    const auto proxy = std::make_shared<StallingProxy>(site.server.directory());
    fallSilent(*proxy);
    return {.end = [proxy] { proxy->endSilence(); },
            .connection = " host=" + proxy->directory().string(),
            .holdsARun = [proxy] { return proxy->waitUntilSilent(0ms); }};
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

FaultParts executed(const FaultSite& site, const std::string& sql, const std::string& undoing)
{
    site.database.session().execute(sql);
    return {.end = [site, undoing] { site.database.session().execute(undoing); }};
}

const std::vector<DatabaseFault>& databaseFaults()
{
    static const std::vector<DatabaseFault> faults{
        {.name = "aServerThatIsDown",
         .make = [](const FaultSite& site) -> FaultParts {
             const auto outage = std::make_shared<Outage>(site.server);
             return {.end = [site, outage] {
                 outage->end();
                 site.database.reconnect();
             }};
         },
         .cause = "connection to server on socket"},
        {.name = "aServerThatRefuses",
         .make = [](const FaultSite& site) -> FaultParts {
             const auto rule = std::make_shared<HbaRule>(site.server, "local all " + site.role + " reject");
             return {.end = [rule] { rule->end(); }};
         },
         .cause = "pg_hba.conf rejects connection",
         .sqlState = "28000",
         .advice = "check user and password of Connection in hang_detector.conf, its passfile, and "
                   "pg_hba.conf of the server"},
        {.name = "aServerWithoutConnectionsLeft",
         .make = takeAllConnections,
         .cause = "remaining connection slots are reserved",
         .sqlState = "53300",
         .advice = "no connection is left for the detector's role"},
        {.name = "aRoleWithoutConnectionsLeft",
         .make =
             [](const FaultSite& site) {
                 const std::string limit = "ALTER ROLE " + site.role + " CONNECTION LIMIT ";
                 return executed(site, limit + '0', limit + "-1");
             },
         .cause = "too many connections for role",
         .sqlState = "53300",
         .advice = "no connection is left for the detector's role"},
        {.name = "aStandby",
         .make = [](const FaultSite& site) -> FaultParts {
             const auto standby = std::make_shared<Standby>(site.server);
             return {.end = [standby] { standby->promote(); },
                     .connection = " host=" + standby->directory().string()};
         },
         .cause = "session is read-only",
         .advice = "the server is a standby or the session is read-only; let Connection name the primary"},
        {.name = "aDatabaseThatIsReadOnly",
         .make =
             [](const FaultSite& site) {
                 const std::string alter = "ALTER DATABASE " + site.database.name();
                 return executed(site, alter + " SET default_transaction_read_only = on",
                                 alter + " RESET default_transaction_read_only");
             },
         .cause = "session is read-only",
         .advice = "the server is a standby or the session is read-only; let Connection name the primary"},
        {.name = "aMissingPrivilege",
         .make = [](const FaultSite& site) -> FaultParts {
             site.database.session().execute("REVOKE INSERT ON provisioner_job_logs FROM " + site.role);
             return {.end = site.grant};
         },
         .cause = "permission denied for table provisioner_job_logs",
         .sqlState = "42501",
         .advice = "run the hang detector's role.sql again",
         .isMetByTerminations = true},
        {.name = "aFullDisk",
         .make = [](const FaultSite& site) -> FaultParts {
             const auto disk = std::make_shared<FullDisk>(site.database.connectionString());
             return {.end = [disk] { disk->free(); }};
         },
         .cause = "No space left on device",
         .sqlState = "53100",
         .advice = "free space on the disk of the database server",
         .isMetByTerminations = true},
        {.name = "aSessionThatIsEnded",
         .make = [](const FaultSite& site) -> FaultParts {
             endSessionsThatTerminate(site.database.session());
             return {.end = [site] { endSessionsNoMore(site.database.session()); }};
         },
         .cause = "terminating connection due to administrator command",
         .isMetByTerminations = true},
        {.name = "aLockOnTheJobs",
         .make = [](const FaultSite& site) { return lockTable(site, "provisioner_jobs"); }},
        {.name = "aLockOnTheLogs",
         .make = [](const FaultSite& site) { return lockTable(site, "provisioner_job_logs"); },
         .cause = "canceling statement due to lock timeout",
         .sqlState = "55P03",
         .advice = "a table was locked for over five seconds, as by a migration",
         .isMetByTerminations = true},
        {.name = "aStatementThatTakesLong",
         .make = [](const FaultSite& site) -> FaultParts {
             slowDownTerminations(site.database.session());
             return {.end = [site] { slowDownTerminationsNoMore(site.database.session()); },
                     .holdsARun = [site] { return site.database.isSomebodyWaitingFor("PgSleep"); }};
         },
         .sqlState = "57014",
         .advice = "raise RunTimeout",
         .isMetByTerminations = true},
        {.name = "aSilentConnect",
         .make =
             [](const FaultSite& site) {
                 return silence(site, [](StallingProxy& proxy) { proxy.fallSilentAtConnection(1); });
             },
         .isAnswered = false},
        {.name = "aSilentLogin",
         .make =
             [](const FaultSite& site) {
                 return silence(site, [](StallingProxy& proxy) { proxy.fallSilentAfterLogin(1); });
             },
         .isAnswered = false},
        {.name = "aSilentStatement",
         .make =
             [](const FaultSite& site) {
                 return silence(
                     site, [](StallingProxy& proxy) { proxy.fallSilentAfterStatement("AS until_next"); });
             },
         .isAnswered = false},
        {.name = "aFrozenServer",
         .make = [](const FaultSite& site) -> FaultParts {
             const auto frozen = std::make_shared<FrozenServer>(site.server);
             return {.end = [frozen] { frozen->thaw(); }};
         },
         .isAnswered = false},
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

MadeFault::~MadeFault()
{
    try {
        end();
    } catch (const std::exception& exception) {
        std::cerr << "a fault of the tests does not end: " << exception.what() << '\n';
    }
}

void MadeFault::complete() const
{
    if (_parts.complete)
        _parts.complete();
}

void MadeFault::end()
{
    if (_isOver)
        return;
    _isOver = true;
    _parts.end();
}

} // namespace HangDetection::Test
