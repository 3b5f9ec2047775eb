#pragma once

#include "JobDatabase.h"
#include "SimulatedQueue.h"
#include "data/Job.h"

#include <optional>
#include <string>
#include <vector>

namespace HangDetection::Sim {

struct DemoJob
/// A job of the demo, and what the detector has to do with it.
{
    enum class Kind
    {
        healthy,   /// running; a heartbeat comes every second
        quiet,     /// running, without a heartbeat, but not for five minutes yet
        inactive,  /// not running: waiting or completed long ago
        suspended, /// silent for long, because its Slurm job is suspended
        pending,   /// never started, and waiting for over half an hour
        ended,     /// silent for a moment, because the Slurm job of its daemon has failed
        stalled,   /// reports every second, but has written no line for hours; stops when it is canceled
        hung       /// now, or some seconds after the start
    };

    enum class State
    {
        none,  /// no state, and none to copy
        own,   /// the build's own state, which has to stay
        copied /// the previous build's state
    };

    Kind kind = Kind::hung;
    std::string description;
    JobRow row;
    std::vector<std::string> stages = {};
    /// The stages of the log lines that the job already has, in order.
    std::string linesAgo = "6 minutes";
    /// How old these lines are.
    std::optional<BuildRow> build = std::nullopt;
    std::optional<std::string> previousState = std::nullopt;
    /// State of the workspace's previous build. Without it there is no previous build.
    State expectedState = State::none;
    std::vector<SimulatedJob::State> slurmJobs = {};
    /// States of the Slurm jobs that are marked with the job, or with its daemon.
    std::string daemon = {};
    /// The name of the daemon that took it, if that has a Slurm job.

    bool isToBeTerminated() const
    {
        return kind == Kind::hung || kind == Kind::pending || kind == Kind::ended;
    }

    Mark mark() const { return daemon.empty() ? Mark{.text = row.id} : Mark{Mark::Kind::daemon, daemon}; }
    /// Of its Slurm jobs.
};

class DemoCluster
/// The provisioner jobs of a small cluster: healthy ones, hung ones of every kind, and some that are not
/// running. Also the Slurm jobs that run some of them.
{
public:
    explicit DemoCluster(JobDatabase& database);
    /// Fills the database, and remembers its jobs for ContractCheck.h.

    const std::vector<DemoJob>& jobs() const { return _jobs; }

    const std::vector<SimulatedJob>& slurmJobs() const { return _slurmJobs; }
    /// The Slurm jobs at the start: marked ones, and one without a mark. Their ids count from 1.

    int count(DemoJob::Kind kind) const;

    int terminations() const;

    bool areStalledOver(JobDatabase& database) const;
    /// Whether the workers of the stalled jobs have stopped.

    void sendHeartbeats(JobDatabase& database) const;
    /// Every healthy or stalled job reports, or stops if it is canceled.

private:
    void addSlurmJob(const std::string& comment, SimulatedJob::State state);

    std::vector<DemoJob> _jobs;
    std::vector<SimulatedJob> _slurmJobs;
};

} // namespace HangDetection::Sim
