#include "JobStore.h"

#include "AdvisoryLock.h"
#include "Statements.h"
#include "TerminationRow.h"
#include "Wording.h"

#include <Poco/Exception.h>
#include <Poco/Tuple.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

namespace HangDetection {

namespace {

using Poco::Data::Keywords::bind;
using Poco::Data::Keywords::into;

template <typename Items, typename Text>
std::string arrayOf(const Items& items, Text text)
/// A PostgreSQL array with one text for each item, of a kind that needs no quotes.
{
    std::string array = "{";
    for (const auto& item : items) {
        if (array.size() > 1)
            array += ',';
        array += text(item);
    }
    return array + '}';
}

std::string idsOf(const std::vector<JobId>& jobs)
{
    return arrayOf(jobs, [](const JobId& id) { return id; });
}

std::string idsOf(std::span<const SeenJob> jobs)
{
    return arrayOf(jobs, [](const SeenJob& job) { return job.jobId; });
}

std::string updatesOf(std::span<const SeenJob> jobs)
{
    return arrayOf(jobs, [](const SeenJob& job) { return std::to_string(job.updatedAt.count()); });
}

std::int64_t hungFor(const Thresholds& thresholds)
/// In seconds, by the clock of the database.
{
    return (thresholds.hung + thresholds.lag).count();
}

} // namespace

JobStore::JobStore(ConnectionString connectionString, std::chrono::milliseconds statementTimeout)
    : _connection(std::move(connectionString), statementTimeout)
{}

void JobStore::open(const Libpq::WaitLimit& limit)
{
    _connection.open(limit);
}

template <typename Row, typename... Parameters>
std::vector<Row> JobStore::rowsOf(const char* statement, const Parameters&... parameters)
{
    try {
        std::vector<Row> rows;
        Poco::Data::Session session = _connection.session();
        Poco::Data::Statement execution = (session << statement, into(rows));
        (static_cast<void>((execution, bind(parameters))), ...);
        execution.execute();
        return rows;
    } catch (const Poco::Exception& exception) {
        throw failure(exception);
    }
}

template <typename... Parameters>
std::vector<Termination> JobStore::answersTo(const char* named, const char* plain,
                                             const Parameters&... parameters)
{
    const auto ask = [&](const char* statement) {
        std::vector<Termination> answers;
        std::ranges::transform(rowsOf<TerminationRow>(statement, parameters...), std::back_inserter(answers),
                               &answerFrom);
        return answers;
    };
    if (!_connection.canReadNames())
        return ask(plain);
    try {
        return ask(named);
    } catch (const DatabaseError& error) {
        // Names are a courtesy: a privilege or a table that went away meanwhile costs nobody more, nor
        // does a view with an error, or a migration that locks one. What the statement has done is
        // undone with its error.
        const bool isGone = error.sqlState().starts_with("42");
        if (error.scope() == DatabaseError::Scope::connection ||
            (!isGone && error.sqlState() != "55P03" && !error.sqlState().starts_with("22")))
            throw;
        std::vector<Termination> answers = ask(plain);
        if (isGone)
            _connection.forgetNames();
        return answers;
    }
}

HungJobs JobStore::findHungJobs(const Search& search)
{
    const Poco::Int64 pending = search.thresholds.pending.count();
    using Poco::Int64;
    using Row = Poco::Tuple<std::string, Int64, Int64, Int64, Int64, Int64, Int64, Int64, bool, Int64, Int64,
                            std::string, Int64>;
    const auto rows =
        rowsOf<Row>(Statements::find_hung_jobs, hungFor(search.thresholds), search.lookAhead.count(),
                    search.most, idsOf(search.last), pending, idsOf(search.watched),
                    updatesOf(search.watched), search.earlier.snapshot, search.earlier.time.count());

    HungJobs jobs;
    for (const auto& row : rows) {
        if (!row.get<0>().empty())
            jobs.chosen.push_back({row.get<0>(), std::chrono::microseconds(row.get<1>())});
        jobs.counts = {.running = row.get<2>(),
                       .silent = row.get<3>(),
                       .hung = row.get<4>(),
                       .oldestHung = std::chrono::seconds(row.get<6>()),
                       .pending = pending > 0 ? std::optional(row.get<7>()) : std::nullopt};
        if (row.get<5>() >= 0)
            jobs.untilNext = std::chrono::milliseconds(row.get<5>());
        jobs.areWatchedTouched = row.get<8>();
        jobs.doubtful = row.get<9>();
        if (row.get<10>() >= 0)
            jobs.heartbeatAge = std::chrono::milliseconds(row.get<10>());
        jobs.look = {row.get<11>(), std::chrono::microseconds(row.get<12>())};
    }
    return jobs;
}

Termination failedTermination(const JobId& job, const DatabaseError& error)
{
    Termination failed;
    failed.jobId = job;
    failed.error = error.what();
    failed.sqlState = error.sqlState();
    return failed;
}

bool JobStore::wantsIndex()
{
    return rowsOf<Poco::Tuple<bool>>(Statements::wants_index).at(0).get<0>();
}

void JobStore::terminate(std::span<const SeenJob> jobs, const Thresholds& thresholds, const Answer& answer)
{
    if (jobs.empty())
        return;
    std::vector<Termination> terminations;
    try {
        terminations = terminateAtOnce(jobs, thresholds);
    } catch (const DatabaseError& error) {
        if (error.scope() != DatabaseError::Scope::job)
            throw;
        if (jobs.size() > 1) {
            const auto half = jobs.size() / 2;
            terminate(jobs.first(half), thresholds, answer);
            terminate(jobs.subspan(half), thresholds, answer);
            return;
        }
        terminations.push_back(failedTermination(jobs.front().jobId, error));
    }
    std::ranges::for_each(terminations, answer);
}

std::vector<Termination> JobStore::preview(std::span<const SeenJob> jobs, const Thresholds& thresholds)
{
    return answersTo(Statements::preview_named_terminations, Statements::preview_terminations, idsOf(jobs),
                     updatesOf(jobs), hungFor(thresholds), thresholds.pending.count());
}

std::map<JobId, std::string> JobStore::findTerminated(const std::vector<JobId>& jobs)
{
    std::map<JobId, std::string> terminated;
    if (jobs.empty())
        return terminated;
    using Row = Poco::Tuple<std::string, std::string>;
    for (const auto& row : rowsOf<Row>(Statements::find_terminated_jobs, idsOf(jobs), anyDetectorsError))
        terminated.emplace(row.get<0>(), row.get<1>());
    return terminated;
}

std::vector<RevivedJob> JobStore::findRevived(const std::vector<SeenJob>& jobs)
{
    std::vector<RevivedJob> revived;
    using Row = Poco::Tuple<std::string, bool>;
    for (const auto& row :
         rowsOf<Row>(Statements::find_revived_jobs, idsOf(jobs), updatesOf(jobs), anyDetectorsError))
        revived.push_back({row.get<0>(), row.get<1>()});
    return revived;
}

DatabaseError JobStore::failure(const Poco::Exception& exception)
/// The error of a statement. A connection that it made useless is given up.
{
    DatabaseError error = DatabaseError::fromStatement(exception, _connection.isLost());
    if (error.scope() == DatabaseError::Scope::connection)
        _connection.drop();
    return error;
}

std::vector<Termination> JobStore::terminateAtOnce(std::span<const SeenJob> jobs,
                                                   const Thresholds& thresholds)
{
    const std::string keys =
        arrayOf(jobs, [](const SeenJob& job) { return std::to_string(advisoryLockKey(job.jobId)); });
    const Wording hung = Wording::of(Reason::hung, thresholds.hung);
    const Wording pending = Wording::of(Reason::pending, thresholds.pending);
    return answersTo(Statements::terminate_named_jobs, Statements::terminate_jobs, idsOf(jobs),
                     updatesOf(jobs), keys, hungFor(thresholds), thresholds.pending.count(), hung.error,
                     hung.logLine, pending.error, pending.logLine);
}

} // namespace HangDetection
