#include "JobStore.h"

#include "AdvisoryLock.h"
#include "Statements.h"
#include "TerminationRow.h"
#include "Wording.h"
#include "Words.h"
#include "notification/LogLine.h"

#include <Poco/Exception.h>
#include <Poco/NumberFormatter.h>
#include <Poco/Tuple.h>

#include <algorithm>
#include <string>
#include <utility>

namespace HangDetection {

namespace {

using Poco::Data::Keywords::bind;
using Poco::Data::Keywords::into;

template <typename Items, typename Text>
std::string arrayOf(const Items& items, Text text)
/// A PostgreSQL array with one text for each item. A text that needs quotes must have them already.
{
    std::string array = "{";
    for (const auto& item : items) {
        if (array.size() > 1)
            array += ',';
        array += text(item);
    }
    return array + '}';
}

const std::string& idIn(const std::string& answer)
/// Ids are remembered and logged as they are.
{
    if (!isJobId(answer))
        throw DatabaseError::fromAnswer("an id is no UUID");
    return answer;
}

const std::string& timestampIn(const std::string& answer)
{
    constexpr std::size_t longest = 64;
    if (answer.size() > longest)
        throw DatabaseError::fromAnswer("a time is too long");
    return answer;
}

Termination checked(Termination answer)
{
    idIn(answer.jobId);
    if (!answer.workspaceId.empty())
        idIn(answer.workspaceId);
    timestampIn(answer.updatedAt);
    return answer;
}

std::chrono::microseconds clockIn(Poco::Int64 answer)
{
    // Nanoseconds since 1970 have to fit into 64 bits.
    constexpr std::chrono::microseconds end = std::chrono::years(230);
    const std::chrono::microseconds time(answer);
    if (time < std::chrono::microseconds(0) || time > end)
        throw DatabaseError::fromAnswer("its clock is centuries away");
    return time;
}

std::string idsOf(const std::vector<JobId>& jobs)
{
    return arrayOf(jobs, [](const JobId& id) { return id; });
}

template <typename Job>
std::string idsOf(std::span<const Job> jobs)
{
    return arrayOf(jobs, [](const Job& job) { return job.jobId; });
}

std::string idsOf(const std::vector<SeenJob>& jobs)
{
    return idsOf(std::span<const SeenJob>(jobs));
}

template <typename Job>
std::string lockKeysOf(std::span<const Job> jobs)
{
    return arrayOf(jobs, [](const Job& job) { return std::to_string(advisoryLockKey(job.jobId)); });
}

std::string newestLinesOf(std::span<const StalledJob> jobs)
{
    return arrayOf(jobs, [](const StalledJob& job) { return std::to_string(job.newestLine); });
}

std::string updatesOf(std::span<const SeenJob> jobs)
{
    return arrayOf(jobs, [](const SeenJob& job) { return '"' + job.updatedAt + '"'; });
}

std::string workerEndsOf(std::span<const SeenJob> jobs)
{
    return arrayOf(
        jobs, [](const SeenJob& job) { return '"' + (job.workerEnd ? textOf(*job.workerEnd) : "") + '"'; });
}

std::string bytesOf(const std::vector<std::string>& texts)
/// As a bytea[].
{
    return arrayOf(texts, [](const std::string& text) {
        std::string bytes = R"("\\x)";
        for (const char c : text)
            bytes +=
                Poco::NumberFormatter::formatHex(static_cast<unsigned>(static_cast<unsigned char>(c)), 2);
        return bytes + '"';
    });
}

template <typename Row>
MarkedJob markedJobFrom(const Row& row, const Mark& mark)
/// The row begins with the columns of marked_job.sql.
{
    return {.job = {idIn(row.template get<0>()), timestampIn(row.template get<1>())},
            .mark = mark,
            .startedAgo = std::chrono::milliseconds(row.template get<2>()),
            .silent = std::chrono::milliseconds(row.template get<3>())};
}

template <typename Text>
std::string arrayForEachReason(Text text)
{
    return arrayOf(words<Reason>, [&](const Word<Reason>& reason) { return '"' + text(reason.value) + '"'; });
}

std::string reasons()
{
    return arrayForEachReason([](Reason reason) { return std::string(nameOf(reason)); });
}

std::string secondsOf(const Thresholds& thresholds)
{
    return arrayForEachReason(
        [&](Reason reason) { return std::to_string(thresholds.withLag(reason).count()); });
}

std::string errorsOf(const Thresholds& thresholds)
{
    return arrayForEachReason(
        [&](Reason reason) { return Wording::of(reason, thresholds.of(reason)).error; });
}

std::string logLinesOf(const Thresholds& thresholds)
{
    return arrayForEachReason(
        [&](Reason reason) { return Wording::of(reason, thresholds.of(reason)).logLine; });
}

Termination failureOf(const JobId& job, const DatabaseError& error)
{
    Termination failed;
    failed.jobId = job;
    failed.error = error.what();
    failed.sqlState = error.sqlState();
    return failed;
}

std::optional<std::chrono::seconds> secondsIn(Poco::Int64 answer)
/// No value for a negative answer.
{
    return answer < 0 ? std::nullopt : std::optional(std::chrono::seconds(answer));
}

const char* namesStatement(const Connection& connection)
/// With the daemons, as far as the role may read them.
{
    if (!connection.canReadDaemons())
        return Statements::find_names;
    return connection.canReadLastSeen() ? Statements::find_names_and_seen_daemons
                                        : Statements::find_names_and_daemons;
}

} // namespace

JobStore::JobStore(ConnectionString connectionString, std::chrono::milliseconds statementTimeout,
                   std::chrono::milliseconds fullSearchInterval)
    : _connection(std::move(connectionString), statementTimeout), _fullSearchInterval(fullSearchInterval)
{}

void JobStore::open(const RunLimit& limit)
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
std::vector<Termination> JobStore::answersTo(const char* statement, std::span<const SeenJob> jobs,
                                             const Parameters&... parameters)
{
    std::vector<Termination> answers;
    for (const TerminationRow& row :
         rowsOf<TerminationRow>(statement, idsOf(jobs), updatesOf(jobs), reasons(), parameters...)) {
        Termination answer = shown(checked(answerFrom(row)));
        const auto job = std::ranges::find(jobs, answer.jobId, &SeenJob::jobId);
        if (answer.reason == Reason::ended && job != jobs.end())
            answer.workerEnd = job->workerEnd;
        answers.push_back(std::move(answer));
    }
    return answers;
}

template <typename... Parameters>
std::vector<Termination> JobStore::answersTo(const char* statement, std::span<const StalledJob> jobs,
                                             const Thresholds& thresholds, const Parameters&... parameters)
{
    std::vector<Termination> answers;
    for (const CancelRow& row :
         rowsOf<CancelRow>(statement, idsOf(jobs), newestLinesOf(jobs), thresholds.stalledWithLag().count(),
                           thresholds.reportsWithLag().count(), parameters...))
        answers.push_back(shown(checked(answerFrom(row))));
    return answers;
}

Termination JobStore::shown(Termination answer) const
/// The log and the users of Slurm see the texts of an answer, and a server can write a password into each.
{
    for (std::string* const text : {&answer.type, &answer.stage, &answer.error})
        *text = shownText(std::move(*text));
    return answer;
}

std::string JobStore::shownText(std::string text) const
/// Shortened, because a run keeps the texts of all its jobs.
{
    return shortened(_connection.withoutPasswords(std::move(text)));
}

template <typename Row>
std::vector<Row> JobStore::rowsOfSearch(const Search& search)
{
    const auto rowsBy = [&](const char* statement) {
        return rowsOf<Row>(statement, search.thresholds.withLag(Reason::hung).count(),
                           search.lookAhead.count(), search.places, idsOf(search.last),
                           search.thresholds.withLag(Reason::pending).count(), idsOf(search.terminated),
                           updatesOf(search.terminated), search.earlier.snapshot,
                           search.earlier.time.count());
    };
    if (Clock::now() - _lastFullSearch < _fullSearchInterval)
        return askByStatus(Statements::find_jobs_by_status, Statements::find_jobs, rowsBy);
    auto rows = rowsBy(Statements::find_jobs);
    _lastFullSearch = Clock::now();
    return rows;
}

template <typename Ask>
auto JobStore::askByStatus(const char* byStatus, const char* inFull, const Ask& ask)
{
    if (!_connection.canSearchByStatus())
        return ask(inFull);
    try {
        return ask(byStatus);
    } catch (const DatabaseError& error) {
        if (!error.isObjectMissing())
            throw;
        auto rows = ask(inFull);
        _connection.forgetStatus();
        return rows;
    }
}

FoundJobs JobStore::findJobs(const Search& search)
{
    using Poco::Int64;
    using Row = Poco::Tuple<std::string, std::string, Int64, Int64, Int64, Int64, Int64, Int64, bool, Int64,
                            Int64, std::string, Int64>;
    const bool arePendingSought = search.thresholds.pending.count() > 0;
    FoundJobs jobs;
    for (const auto& row : rowsOfSearch<Row>(search)) {
        if (!row.get<0>().empty())
            jobs.chosen.push_back({idIn(row.get<0>()), timestampIn(row.get<1>())});
        jobs.counts = {.running = row.get<2>(),
                       .silent = row.get<3>(),
                       .hung = row.get<4>(),
                       .oldestHung = std::chrono::seconds(row.get<6>()),
                       .pending = arePendingSought ? std::optional(row.get<7>()) : std::nullopt};
        if (row.get<5>() >= 0)
            jobs.untilNext = std::chrono::milliseconds(row.get<5>());
        jobs.areTerminatedTouched = row.get<8>();
        jobs.doubtful = row.get<9>();
        if (row.get<10>() >= 0)
            jobs.heartbeatAge = std::chrono::milliseconds(row.get<10>());
        jobs.look = {row.get<11>(), clockIn(row.get<12>())};
    }
    return jobs;
}

FoundStalled JobStore::findStalled(const StallSearch& search)
{
    using Row = Poco::Tuple<std::string, Poco::Int64, Poco::Int64, Poco::Int64>;
    const auto rows = askByStatus(
        Statements::find_stalled_jobs_by_status, Statements::find_stalled_jobs, [&](const char* statement) {
            return rowsOf<Row>(statement, search.thresholds.stalledWithLag().count(),
                               search.thresholds.reportsWithLag().count(), search.places, idsOf(search.last));
        });
    FoundStalled found;
    for (const auto& row : rows) {
        if (!row.get<0>().empty())
            found.chosen.push_back({idIn(row.get<0>()), row.get<1>()});
        found.jobs = row.get<2>();
        found.quiet = row.get<3>();
    }
    return found;
}

Termination failureOf(const SeenJob& job, const DatabaseError& error)
{
    return failureOf(job.jobId, error);
}

Termination failureOf(const StalledJob& job, const DatabaseError& error)
{
    Termination failed = failureOf(job.jobId, error);
    failed.isCancel = true;
    return failed;
}

bool JobStore::wantsIndex()
{
    if (_connection.canSearchByStatus())
        return false;
    const auto rows = rowsOf<Poco::Tuple<bool>>(Statements::wants_index);
    return !rows.empty() && rows.front().get<0>();
}

template <typename Job, typename Request>
void JobStore::answerEach(std::span<const Job> jobs, const Answer& answer, const Request& request)
{
    if (jobs.empty())
        return;
    std::vector<Termination> answers;
    std::optional<DatabaseError> loss;
    try {
        answers = request(jobs);
        loss = addNames(answers);
    } catch (const DatabaseError& error) {
        if (error.scope() != DatabaseError::Scope::job)
            throw;
        if (jobs.size() > 1) {
            const auto half = jobs.size() / 2;
            answerEach(jobs.first(half), answer, request);
            answerEach(jobs.subspan(half), answer, request);
            return;
        }
        answers.push_back(failureOf(jobs.front(), error));
    }
    std::ranges::for_each(answers, answer);
    if (loss)
        throw DatabaseError(*loss);
}

void JobStore::terminate(std::span<const SeenJob> jobs, const Thresholds& thresholds, const Answer& answer)
{
    answerEach(jobs, answer, [&](std::span<const SeenJob> batch) {
        return answersTo(Statements::terminate_jobs, batch, secondsOf(thresholds), workerEndsOf(batch),
                         lockKeysOf(batch), errorsOf(thresholds), logLinesOf(thresholds));
    });
}

void JobStore::cancel(std::span<const StalledJob> jobs, const Thresholds& thresholds, const Answer& answer)
{
    answerEach(jobs, answer, [&](std::span<const StalledJob> batch) {
        return answersTo(Statements::cancel_jobs, batch, thresholds, lockKeysOf(batch),
                         stalledLogLine(thresholds.stalled));
    });
}

std::vector<Termination> JobStore::previewCancels(std::span<const StalledJob> jobs,
                                                  const Thresholds& thresholds)
{
    auto answers = answersTo(Statements::preview_cancels, jobs, thresholds);
    if (const auto loss = addNames(answers))
        throw DatabaseError(*loss);
    return answers;
}

std::vector<CanceledJob> JobStore::findCanceled(std::span<const StalledJob> jobs)
{
    using Poco::Int64;
    using Row = Poco::Tuple<std::string, std::string, Int64, Int64, Int64, bool, bool>;
    std::vector<CanceledJob> canceled;
    for (const auto& row :
         rowsOf<Row>(Statements::find_canceled_jobs, idsOf(jobs), newestLinesOf(jobs), anyDetectorsError()))
        canceled.push_back({.jobId = idIn(row.get<0>()),
                            .workspaceId = row.get<1>().empty() ? "" : idIn(row.get<1>()),
                            .canceledAgo = secondsIn(row.get<2>()),
                            .completedAfter = secondsIn(row.get<3>()),
                            .silent = std::chrono::seconds(row.get<4>()),
                            .isOurs = row.get<5>(),
                            .isTerminated = row.get<6>()});
    return canceled;
}

std::vector<JobId> JobStore::findRunningCancels()
{
    using Row = Poco::Tuple<std::string>;
    std::vector<JobId> jobs;
    for (const auto& row :
         askByStatus(Statements::find_running_cancels_by_status, Statements::find_running_cancels,
                     [&](const char* statement) { return rowsOf<Row>(statement); }))
        jobs.push_back(idIn(row.get<0>()));
    return jobs;
}

std::vector<Termination> JobStore::preview(std::span<const SeenJob> jobs, const Thresholds& thresholds)
{
    auto answers =
        answersTo(Statements::preview_terminations, jobs, secondsOf(thresholds), workerEndsOf(jobs));
    if (const auto loss = addNames(answers))
        throw DatabaseError(*loss);
    return answers;
}

std::vector<CompletedJob> JobStore::findCompleted(const std::vector<JobId>& jobs)
{
    std::vector<CompletedJob> completed;
    if (jobs.empty())
        return completed;
    using Row = Poco::Tuple<std::string, Poco::Int64, std::string>;
    for (const auto& row : rowsOf<Row>(Statements::find_completed_jobs, idsOf(jobs), anyDetectorsError()))
        completed.push_back(
            {idIn(row.get<0>()), std::chrono::seconds(row.get<1>()), shownText(row.get<2>())});
    return completed;
}

std::vector<Termination> JobStore::findLost(const Attempt& attempt)
{
    auto answers = answersTo(Statements::find_lost_terminations, attempt.jobs, errorsOf(attempt.thresholds),
                             workerEndsOf(attempt.jobs), attempt.since.count(), attempt.until.count());
    for (Termination& answer : answers)
        answer.isAnswerLost = true;
    if (const auto loss = addNames(answers))
        throw DatabaseError(*loss);
    return answers;
}

std::vector<RevivedJob> JobStore::findRevived(const std::vector<SeenJob>& jobs)
{
    std::vector<RevivedJob> revived;
    using Row = Poco::Tuple<std::string, bool>;
    for (const auto& row :
         rowsOf<Row>(Statements::find_revived_jobs, idsOf(jobs), updatesOf(jobs), anyDetectorsError()))
        revived.push_back({idIn(row.get<0>()), row.get<1>()});
    return revived;
}

std::vector<MarkedJob> JobStore::findMarked(const std::vector<JobId>& jobs)
{
    std::vector<MarkedJob> marked;
    if (jobs.empty())
        return marked;
    using Row = Poco::Tuple<std::string, std::string, Poco::Int64, Poco::Int64>;
    for (const auto& row : rowsOf<Row>(Statements::find_marked_jobs, idsOf(jobs)))
        marked.push_back(markedJobFrom(row, {Mark::Kind::job, row.get<0>()}));
    return marked;
}

std::vector<MarkedJob> JobStore::findJobsOf(const std::vector<std::string>& daemons)
{
    std::vector<MarkedJob> marked;
    if (daemons.empty())
        return marked;
    using Row = Poco::Tuple<std::string, std::string, Poco::Int64, Poco::Int64, std::string>;
    for (const auto& row :
         askByStatus(Statements::find_jobs_of_daemons_by_status, Statements::find_jobs_of_daemons,
                     [&](const char* statement) { return rowsOf<Row>(statement, bytesOf(daemons)); }))
        marked.push_back(markedJobFrom(row, {Mark::Kind::daemon, row.get<4>()}));
    return marked;
}

std::optional<LockHolder> JobStore::findLockHolder(const JobId& job)
{
    using Row = Poco::Tuple<Poco::Int64, std::string, std::string>;
    const auto rows = rowsOf<Row>(Statements::find_lock_holder, Poco::Int64{advisoryLockKey(job)});
    if (rows.empty())
        return std::nullopt;
    const Row& row = rows.front();
    return LockHolder{row.get<0>(), shownText(row.get<1>()), shownText(row.get<2>())};
}

DatabaseError JobStore::failure(const Poco::Exception& exception)
/// The error of a statement. Closes the connection if the error made it useless.
{
    DatabaseError error = DatabaseError::fromStatement(exception, _connection.isLost());
    if (error.scope() == DatabaseError::Scope::connection)
        _connection.drop();
    return error;
}

std::optional<DatabaseError> JobStore::addNames(std::vector<Termination>& answers)
{
    // Each attempt is an error in the server's log, too.
    if (_namesMissedAt && Clock::now() - *_namesMissedAt < std::chrono::hours(1))
        return std::nullopt;
    std::map<JobId, Termination*> changed;
    for (Termination& answer : answers) {
        if (answer.outcome == Outcome::terminated || answer.outcome == Outcome::canceled)
            changed.emplace(answer.jobId, &answer);
    }
    if (changed.empty())
        return std::nullopt;
    try {
        using Row = Poco::Tuple<std::string, std::string, std::string, std::string, std::string, Poco::Int64>;
        const auto idsIn = [&](auto member) {
            return arrayOf(changed, [&](const auto& entry) {
                const std::string& id = (*entry.second).*member;
                return id.empty() ? "NULL" : id;
            });
        };
        for (const auto& row : rowsOf<Row>(namesStatement(_connection), idsIn(&Termination::jobId),
                                           idsIn(&Termination::workspaceId))) {
            const auto job = changed.find(row.get<0>());
            if (job == changed.end())
                continue; // a server may say anything
            job->second->workspace = shownText(row.get<1>());
            job->second->owner = shownText(row.get<2>());
            job->second->templateName = shownText(row.get<3>());
            job->second->daemon = shownText(row.get<4>());
            if (row.get<5>() >= 0)
                job->second->daemonSeen = std::chrono::seconds(row.get<5>());
        }
    } catch (const DatabaseError& error) {
        if (error.isObjectMissing())
            _namesMissedAt = Clock::now();
        if (error.scope() == DatabaseError::Scope::connection)
            return error;
    }
    return std::nullopt;
}

} // namespace HangDetection
