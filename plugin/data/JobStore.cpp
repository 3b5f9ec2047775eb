#include "JobStore.h"

#include "AdvisoryLock.h"
#include "Statements.h"
#include "TerminationRow.h"

#include <Poco/Exception.h>
#include <Poco/Tuple.h>

#include <algorithm>
#include <string>
#include <utility>

namespace HangDetection {

namespace {

using namespace Poco::Data::Keywords;

template <typename Text>
std::string arrayLiteral(std::span<const JobId> jobs, Text text)
/// A PostgreSQL array with one text for each job, of a kind that needs no quotes.
{
    std::string literal = "{";
    for (const JobId& job : jobs) {
        if (literal.size() > 1)
            literal += ',';
        literal += text(job);
    }
    return literal + '}';
}

std::string idsOf(std::span<const JobId> jobs)
{
    return arrayLiteral(jobs, [](const JobId& id) { return id; });
}

std::vector<Termination> answersFrom(const std::vector<TerminationRow>& rows)
{
    std::vector<Termination> answers;
    answers.reserve(rows.size());
    for (const TerminationRow& row : rows)
        answers.push_back(answerFrom(row));
    return answers;
}

} // namespace

JobStore::JobStore(ConnectionString connectionString, std::chrono::milliseconds statementTimeout)
    : _connection(std::move(connectionString), statementTimeout)
{}

std::unique_ptr<StatementWatch> JobStore::open(const std::stop_token& stop, Clock::time_point deadline)
{
    return _connection.open(stop, deadline);
}

template <typename Action>
auto JobStore::attempt(Action action)
{
    try {
        return action();
    } catch (const Poco::Exception& exception) {
        throw failure(exception);
    }
}

HungJobs JobStore::findHungJobs(const Search& search)
{
    Poco::Int64 hung = search.thresholds.hung.count();
    Poco::Int64 pending = search.thresholds.pending.count();
    Poco::Int64 lookAhead = search.lookAhead.count();
    int most = search.most;
    std::string last = idsOf(search.last);
    std::vector<Poco::Tuple<std::string, Poco::Int64, Poco::Int64, Poco::Int64, Poco::Int64, Poco::Int64,
                            Poco::Int64>>
        rows;
    attempt([&] {
        _connection.session() << Statements::find_hung_jobs, into(rows), use(hung), use(lookAhead), use(most),
            use(last), use(pending), now;
    });

    HungJobs jobs;
    for (const auto& row : rows) {
        if (!row.get<0>().empty())
            jobs.chosen.push_back(row.get<0>());
        jobs.counts = {.running = row.get<1>(),
                       .silent = row.get<2>(),
                       .hung = row.get<3>(),
                       .oldestHung = std::chrono::seconds(row.get<5>()),
                       .pending = pending > 0 ? std::optional(row.get<6>()) : std::nullopt};
        if (row.get<4>() >= 0)
            jobs.untilNext = std::chrono::milliseconds(row.get<4>());
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
    bool wants = false;
    attempt([&] { _connection.session() << Statements::wants_index, into(wants), now; });
    return wants;
}

void JobStore::terminate(std::span<const JobId> jobs, const Thresholds& thresholds, const Answer& answer)
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
        terminations.push_back(failedTermination(jobs.front(), error));
    }
    std::for_each(terminations.begin(), terminations.end(), answer);
}

std::vector<Termination> JobStore::preview(std::span<const JobId> jobs, const Thresholds& thresholds)
{
    std::string ids = idsOf(jobs);
    Poco::Int64 hung = thresholds.hung.count();
    Poco::Int64 pending = thresholds.pending.count();
    return withNames([&](bool hasNames) {
        std::vector<TerminationRow> rows;
        _connection.session() << (hasNames ? Statements::preview_named_terminations
                                           : Statements::preview_terminations),
            into(rows), use(ids), use(hung), use(pending), now;
        return answersFrom(rows);
    });
}

std::map<JobId, std::string> JobStore::findTerminated(const std::vector<JobId>& jobs)
{
    if (jobs.empty())
        return {};
    std::string ids = idsOf(jobs);
    std::vector<Poco::Tuple<std::string, std::string>> rows;
    attempt([&] { _connection.session() << Statements::find_terminated_jobs, into(rows), use(ids), now; });
    std::map<JobId, std::string> terminated;
    for (const auto& row : rows)
        terminated.emplace(row.get<0>(), row.get<1>());
    return terminated;
}

std::vector<RevivedJob> JobStore::findRevived(const std::vector<JobId>& jobs)
{
    std::string ids = idsOf(jobs);
    std::vector<Poco::Tuple<std::string, bool>> rows;
    attempt([&] { _connection.session() << Statements::find_revived_jobs, into(rows), use(ids), now; });
    std::vector<RevivedJob> revived;
    revived.reserve(rows.size());
    for (const auto& row : rows)
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

std::vector<Termination> JobStore::terminateAtOnce(std::span<const JobId> jobs, const Thresholds& thresholds)
{
    std::string ids = idsOf(jobs);
    std::string keys =
        arrayLiteral(jobs, [](const JobId& id) { return std::to_string(advisoryLockKey(id)); });
    Poco::Int64 hung = thresholds.hung.count();
    Poco::Int64 pending = thresholds.pending.count();
    return withNames([&](bool hasNames) {
        std::vector<TerminationRow> rows;
        _connection.session() << (hasNames ? Statements::terminate_named_jobs : Statements::terminate_jobs),
            into(rows), use(ids), use(keys), use(hung), use(pending), now;
        return answersFrom(rows);
    });
}

template <typename Ask>
std::vector<Termination> JobStore::withNames(Ask ask)
{
    const auto tryTo = [&](bool hasNames) { return attempt([&] { return ask(hasNames); }); };
    if (!_connection.canReadNames())
        return tryTo(false);
    try {
        return tryTo(true);
    } catch (const DatabaseError& error) {
        // Names are a courtesy: a privilege or a table that went away meanwhile costs nobody more, nor
        // does a migration that locks one. What the statement has done is undone with its error.
        const bool isGone = error.sqlState().starts_with("42");
        if (!isGone && error.sqlState() != "55P03")
            throw;
        std::vector<Termination> answers = tryTo(false);
        if (isGone)
            _connection.forgetNames();
        return answers;
    }
}

} // namespace HangDetection
