#pragma once

#include "Connection.h"
#include "DatabaseError.h"
#include "Job.h"
#include "RunLimit.h"

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace HangDetection {

Termination failureOf(const SeenJob& job, const DatabaseError& error);
Termination failureOf(const StalledJob& job, const DatabaseError& error);
/// The answer for a job whose termination or cancel failed with this error.

class JobStore
/// The provisioner jobs of a Coder deployment, in its database. One statement finds jobs, one terminates
/// them, and one says what a termination would do; there are three more for the jobs to cancel. Each is
/// atomic, and leaves only its prepared form in the session.
///
/// Each statement gives the columns of its answer fixed types. Otherwise a migration that changes the type of
/// a column would change the answer, and the server refuses a prepared statement whose answer has changed its
/// type.
///
/// Used by one thread.
{
public:
    JobStore(ConnectionString connectionString, std::chrono::milliseconds statementTimeout,
             std::chrono::milliseconds fullSearchInterval = std::chrono::hours(1));
    /// Does not connect yet. The server ends a statement after statementTimeout, even when the client has
    /// died. Where searches go by job_status, one in each fullSearchInterval does not;
    /// running_jobs_by_status.sql has the reason.

    void open(const RunLimit& limit);
    /// Connects, unless a working connection is open. The limit holds for every wait until the next open().
    /// Throws DatabaseError, or RunStopped.

    void close() { _connection.drop(); }
    /// The next open() connects again.

    struct Search
    {
        Thresholds thresholds;
        std::chrono::seconds lookAhead;
        /// A job that will be hung within this time counts as silent.
        int places;
        /// At most so many jobs are chosen, at random. Hung and pending jobs get half of the places each;
        /// places that one kind does not need go to the other.
        std::vector<JobId> last = {};
        /// Jobs that are chosen only when places are left.
        std::vector<SeenJob> terminated = {};
        /// Terminated jobs. The search says whether one of them was updated since.
        Look earlier = {};
        /// An earlier look in this session. A job that was written since then is not silent.
    };

    FoundJobs findJobs(const Search& search);
    /// Throws DatabaseError.

    struct StallSearch
    {
        Thresholds thresholds;
        int places;
        /// At most so many jobs are chosen, at random.
        std::vector<JobId> last = {};
        /// Jobs that are chosen only when places are left.
    };

    FoundStalled findStalled(const StallSearch& search);
    /// Throws DatabaseError; isObjectMissing() where the role may not read when a line was written.

    DatabaseFacts facts() const { return _connection.facts(); }
    /// Of the open connection.

    int sessions() const { return _connection.sessions(); }
    /// The number of sessions that were made, including the open one. A Look is valid only in its own
    /// session: on another server the same transactions have other numbers.

    bool wantsIndex();
    /// Whether the table of jobs is large and has no index for the search (packaging/sql/index.sql makes
    /// one), so that a search takes long. Throws DatabaseError.

    using Answer = std::function<void(const Termination&)>;

    void terminate(std::span<const SeenJob> jobs, const Thresholds& thresholds, const Answer& answer);
    /// Terminates the jobs that are still hung, with the same heartbeat as in the search, or still pending.
    /// Answers for each job as soon as its termination is committed. When one job makes the statement fail,
    /// the others are terminated all the same: the batch is halved until that job is alone in its statement.
    ///
    /// Throws DatabaseError for an error that every job would get. A job without an answer is then completely
    /// terminated or untouched; which, is unknown if isOutcomeUnknown(). findLost() finds out.

    void cancel(std::span<const StalledJob> jobs, const Thresholds& thresholds, const Answer& answer);
    /// Cancels the jobs that are still stalled, with the same newest line as in the search. Otherwise as
    /// terminate(); findCanceled() finds out what became of jobs without an answer. The DatabaseError
    /// isObjectMissing() where the role may not cancel jobs.

    std::vector<Termination> previewCancels(std::span<const StalledJob> jobs, const Thresholds& thresholds);
    /// What cancel() would answer, as preview().

    std::vector<CanceledJob> findCanceled(std::span<const StalledJob> jobs);
    /// What became of the jobs, which cancel() was asked for. A job that is deleted is left out. Throws
    /// DatabaseError.

    std::vector<JobId> findRunningCancels();
    /// The running jobs that cancel() has canceled, maybe of another detector. Throws DatabaseError.

    std::optional<DatabaseError> addNames(std::vector<Termination>& answers);
    /// To the jobs that are terminated or canceled. A courtesy: an error leaves them without names. Returns
    /// the error when the connection is lost with it.

    std::vector<CompletedJob> findCompleted(const std::vector<JobId>& jobs);
    /// Those of the jobs that are over. Without jobs it does not ask the database. Throws DatabaseError.

    std::vector<Termination> findLost(const Attempt& attempt);
    /// The jobs that are completed: terminated as far as can be known, or completed by something else.
    /// Another detector with the same threshold may have terminated one in the same moment. Throws
    /// DatabaseError.

    std::vector<RevivedJob> findRevived(const std::vector<SeenJob>& jobs);
    /// The jobs that were updated since their termination, but not by a detector. Throws DatabaseError.

    std::vector<MarkedJob> findMarked(const std::vector<JobId>& jobs);
    /// Those of the jobs that run, each with a mark of its own. Without jobs it does not ask the database.
    /// Throws DatabaseError.

    std::vector<MarkedJob> findJobsOf(const std::vector<std::string>& daemons);
    /// The running jobs that the daemons with these names have taken, with their marks. A name that several
    /// daemons have is left out. Without names it does not ask the database. Throws DatabaseError;
    /// isObjectMissing() where Coder has no daemons, or the role may not read them.

    std::optional<LockHolder> findLockHolder(const JobId& job);
    /// Who holds the advisory lock of the job. Nothing when nobody does: then its row is locked, which does
    /// not show by whom. Throws DatabaseError.

    std::vector<Termination> preview(std::span<const SeenJob> jobs, const Thresholds& thresholds);
    /// What terminate() would answer for the jobs, if no other session had locked one of them and no trigger
    /// changed the result. Writes nothing and locks nothing. Throws DatabaseError.

private:
    using Clock = std::chrono::steady_clock;

    template <typename Row, typename... Parameters>
    std::vector<Row> rowsOf(const char* statement, const Parameters&... parameters);
    /// Executes the statement. Throws DatabaseError.

    template <typename... Parameters>
    std::vector<Termination> answersTo(const char* statement, std::span<const SeenJob> jobs,
                                       const Parameters&... parameters);
    /// Of a statement whose first parameters are the jobs' ids and times, and the reasons.
    template <typename... Parameters>
    std::vector<Termination> answersTo(const char* statement, std::span<const StalledJob> jobs,
                                       const Thresholds& thresholds, const Parameters&... parameters);
    /// Of a statement whose first parameters are the jobs' ids and newest lines, and the thresholds.
    template <typename Job, typename Request>
    void answerEach(std::span<const Job> jobs, const Answer& answer, const Request& request);
    DatabaseError failure(const Poco::Exception& exception);
    Termination shown(Termination answer) const;
    std::string shownText(std::string text) const;
    template <typename Row>
    std::vector<Row> rowsOfSearch(const Search& search);
    template <typename Ask>
    auto askByStatus(const char* byStatus, const char* inFull, const Ask& ask);
    /// Asks in full if the column or the right is gone.

    Connection _connection;
    const std::chrono::milliseconds _fullSearchInterval;
    Clock::time_point _lastFullSearch = Clock::now();
    std::optional<Clock::time_point> _namesMissedAt;
};

} // namespace HangDetection
