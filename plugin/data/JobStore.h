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

Termination failedTermination(const JobId& job, const DatabaseError& error);
/// The answer for a job that an error kept from being terminated.

class JobStore
/// The provisioner jobs of a Coder deployment, in its database. One statement
/// finds, one statement terminates, one says what that would do; each is atomic by itself
/// and leaves nothing behind in the session but that it stays prepared. The columns of its
/// answer have types of their own, as the server refuses a prepared statement whose answer a
/// migration has given another type. Used by one thread.
{
public:
    JobStore(ConnectionString connectionString, std::chrono::milliseconds statementTimeout,
             std::chrono::milliseconds fullSearchInterval = std::chrono::hours(1));
    /// Does not connect yet. A statement whose client has died ends on the server
    /// after statementTimeout. Searches go by the status of jobs where there is one, but for one in each
    /// fullSearchInterval, which also finds a job whose status is wrong (running_jobs_by_status.sql).

    void open(const RunLimit& limit);
    /// Makes sure of a working connection. The limit is that of all waits until the next open(). Throws
    /// DatabaseError, or RunStopped.

    struct Search
    {
        Thresholds thresholds;
        std::chrono::seconds lookAhead;
        /// Counted as silent are the jobs that will be hung within this time.
        int places;
        /// At most so many jobs are chosen, at random, and as many that are hung as are pending, unless
        /// there are too few of one kind.
        std::vector<JobId> last = {};
        /// These only when places are left.
        std::vector<SeenJob> terminated = {};
        /// The search says whether one of these was updated since.
        Look earlier = {};
        /// Of this session. Only jobs that were not written since then are silent.
    };

    FoundJobs findJobs(const Search& search);
    /// Throws DatabaseError.

    int sessions() const { return _connection.sessions(); }
    /// How many there were, with the one that is open. A Look is of use in its own session only: on
    /// another server the same transactions have other numbers.

    bool wantsIndex();
    /// Whether a search that takes long does so because the table is large and has no index for
    /// it (packaging/sql/index.sql). Throws DatabaseError.

    using Answer = std::function<void(const Termination&)>;

    void terminate(std::span<const SeenJob> jobs, const Thresholds& thresholds, const Answer& answer);
    /// Terminates those of the jobs that are still hung, with the heartbeat that was seen, or still
    /// pending, and answers for each as soon as that is committed. When the statement fails because of one
    /// job, the others are terminated all the same: the batch is halved until the job stands alone. Throws
    /// DatabaseError for an error that every job would meet; jobs not answered for are then complete or
    /// untouched, and a later search tells which.

    std::map<JobId, std::string> findTerminated(const std::vector<JobId>& jobs);
    /// Those of the jobs that a hang detector has terminated, be it this one or another, with their
    /// errors. Asks nothing when there are no jobs. Throws DatabaseError.

    std::vector<RevivedJob> findRevived(const std::vector<SeenJob>& jobs);
    /// Those of the jobs that were updated since, but by no detector. Throws DatabaseError.

    std::vector<Termination> preview(std::span<const SeenJob> jobs, const Thresholds& thresholds);
    /// What terminate() would answer for the jobs if no other session held one of them and no trigger
    /// interfered. Writes nothing and locks nothing. Throws DatabaseError.

private:
    using Clock = std::chrono::steady_clock;

    template <typename Row, typename... Parameters>
    std::vector<Row> rowsOf(const char* statement, const Parameters&... parameters);
    /// Executes the statement. Throws DatabaseError.

    template <typename... Parameters>
    std::vector<Termination> answersTo(const char* statement, const Parameters&... parameters);
    DatabaseError failure(const Poco::Exception& exception);
    const char* nextSearch();
    std::vector<Termination> terminateAtOnce(std::span<const SeenJob> jobs, const Thresholds& thresholds);
    void addNames(std::vector<Termination>& answers);

    Connection _connection;
    const std::chrono::milliseconds _fullSearchInterval;
    Clock::time_point _lastFullSearch = Clock::now();
    std::optional<Clock::time_point> _namesMissedAt;
};

} // namespace HangDetection
