#include "DemoCluster.h"

#include "ContractCheck.h"

#include <algorithm>

namespace HangDetection::Sim {

namespace {

using Kind = DemoJob::Kind;
using State = DemoJob::State;
using SlurmState = SimulatedJob::State;

BuildRow buildRow(int number, std::optional<std::string> state = std::nullopt)
{
    BuildRow row;
    row.buildNumber = number;
    row.state = std::move(state);
    return row;
}

std::vector<DemoJob> allJobs()
{
    const std::string build = "workspace_build";
    const std::string import = "template_version_import";
    const std::string dryRun = "template_version_dry_run";
    return {
        {.kind = Kind::healthy,
         .description = "start of a workspace",
         .row = {.type = build, .updatedAgo = "2 seconds"},
         .stages = {"Starting workspace"},
         .build = buildRow(3, "own state")},
        {.kind = Kind::healthy,
         .description = "start of a new workspace",
         .row = {.type = build, .updatedAgo = "1 second"},
         .build = buildRow(1)},
        {.kind = Kind::healthy,
         .description = "stop of a workspace",
         .row = {.type = build, .updatedAgo = "4 seconds"},
         .stages = {"Stopping workspace"},
         .build = buildRow(8)},
        {.kind = Kind::healthy,
         .description = "start since 3 hours",
         .row = {.type = build, .startedAgo = "3 hours", .updatedAgo = "3 seconds"},
         .stages = {"Starting workspace"},
         .build = buildRow(2),
         .slurmJobs = {SlurmState::running}},
        {.kind = Kind::healthy,
         .description = "template import",
         .row = {.type = import, .updatedAgo = "2 seconds"},
         .stages = {"Parsing template parameters"}},
        {.kind = Kind::healthy,
         .description = "template dry run",
         .row = {.type = dryRun, .updatedAgo = "5 seconds"}},
        // Far enough from five minutes to stay healthy even if the demo takes long.
        {.kind = Kind::quiet,
         .description = "start, silent for 2 minutes",
         .row = {.type = build, .updatedAgo = "2 minutes"},
         .build = buildRow(5)},
        {.kind = Kind::quiet,
         .description = "import, silent for 3 minutes",
         .row = {.type = import, .updatedAgo = "3 minutes"},
         .slurmJobs = {SlurmState::running}},
        {.kind = Kind::inactive,
         .description = "waiting for a worker",
         .row = {.type = import, .startedAgo = std::nullopt, .updatedAgo = "20 minutes"}},
        {.kind = Kind::inactive,
         .description = "completed an hour ago",
         .row = {.type = build, .startedAgo = "2 hours", .updatedAgo = "1 hour", .completedAgo = "1 hour"},
         .build = buildRow(1, "own state")},
        {.kind = Kind::suspended,
         .description = "start with a suspended Slurm job",
         .row = {.type = build, .updatedAgo = "10 minutes"},
         .stages = {"Starting workspace"},
         .build = buildRow(6),
         .slurmJobs = {SlurmState::suspended}},
        {.kind = Kind::pending,
         .description = "start, waiting since 45 minutes",
         .row = {.type = build, .startedAgo = std::nullopt, .updatedAgo = "45 minutes"},
         .build = buildRow(9),
         .previousState = "state of build 8",
         .expectedState = State::copied},
        {.kind = Kind::ended,
         .description = "start, whose daemon's Slurm job failed",
         .row = {.type = build, .updatedAgo = "25 seconds"},
         .stages = {"Starting workspace"},
         .build = buildRow(3),
         .previousState = "state of build 2",
         .expectedState = State::copied,
         .slurmJobs = {SlurmState::failed},
         .daemon = "node-7"},
        {.kind = Kind::stalled,
         .description = "start, without a line since 2 hours",
         .row = {.type = build, .startedAgo = "130 minutes", .updatedAgo = "1 second"},
         .stages = {"Applying"},
         .linesAgo = "125 minutes",
         .build = buildRow(5)},
        {.description = "start without own state",
         .row = {.type = build},
         .stages = {"Queued", "Starting workspace"},
         .build = buildRow(4),
         .previousState = "state of build 3",
         .expectedState = State::copied,
         .slurmJobs = {SlurmState::running, SlurmState::running}},
        {.description = "stop with an empty state",
         .row = {.type = build, .updatedAgo = "7 minutes"},
         .stages = {"Stopping workspace"},
         .build = buildRow(7, ""),
         .previousState = "state of build 6",
         .expectedState = State::copied},
        {.description = "start with own state",
         .row = {.type = build, .updatedAgo = "6 minutes"},
         .stages = {"Planning infrastructure"},
         .build = buildRow(2, "own state"),
         .previousState = "state of build 1",
         .expectedState = State::own},
        {.description = "first start of a workspace",
         .row = {.type = build, .updatedAgo = "9 minutes"},
         .stages = {"Starting workspace"},
         .build = buildRow(1)},
        {.description = "start, canceled",
         .row = {.type = build, .canceledAgo = "8 minutes"},
         .stages = {"Starting workspace", "Canceling"},
         .build = buildRow(12),
         .previousState = "state of build 11",
         .expectedState = State::copied},
        {.description = "start, silent for a day",
         .row = {.type = build, .startedAgo = "25 hours", .updatedAgo = "24 hours"},
         .build = buildRow(2),
         .previousState = "state of build 1",
         .expectedState = State::copied,
         .slurmJobs = {SlurmState::running}},
        {.description = "import while parsing",
         .row = {.type = import},
         .stages = {"Setting up", "Parsing template parameters"},
         .slurmJobs = {SlurmState::running}},
        {.description = "import without a log", .row = {.type = import, .updatedAgo = "11 minutes"}},
        {.description = "import, canceled",
         .row = {.type = import, .canceledAgo = "7 minutes"},
         .stages = {"Setting up"}},
        {.description = "dry run while planning",
         .row = {.type = dryRun},
         .stages = {"Planning infrastructure"},
         .slurmJobs = {SlurmState::running}},
        {.description = "dry run, stage empty",
         .row = {.type = dryRun, .updatedAgo = "13 minutes"},
         .stages = {""}},
        {.description = "import that hangs during the demo",
         .row = {.type = import, .updatedAgo = "294 seconds"},
         .stages = {"Installing modules"}},
    };
}

void add(JobDatabase& database, DemoJob& job)
{
    if (!job.daemon.empty())
        job.row.worker = database.addDaemon(job.daemon);
    job.row.id = database.addJob(job.row);
    if (job.build) {
        job.build->jobId = job.row.id;
        job.build->workspaceId = database.addBuild(*job.build);
        if (job.previousState) {
            JobRow previous;
            previous.completedAgo = "1 day";
            BuildRow previousBuild = buildRow(job.build->buildNumber - 1, job.previousState);
            previousBuild.workspaceId = job.build->workspaceId;
            database.addBuildJob(previous, previousBuild);
        }
    }
    for (const std::string& stage : job.stages)
        database.addLog(job.row.id, stage, "a line", job.linesAgo);
}

} // namespace

DemoCluster::DemoCluster(JobDatabase& database) : _jobs(allJobs())
{
    for (DemoJob& job : _jobs)
        add(database, job);
    ContractTerms terms{.pendingMinutes = "30"};
    addSlurmJob("nightly backup", SlurmState::running);
    for (const DemoJob& job : _jobs) {
        for (const SlurmState state : job.slurmJobs) {
            const bool isDaemon = job.mark().kind == Mark::Kind::daemon;
            addSlurmJob((isDaemon ? "provisioner_daemon=" : "team=blue, provisioner_job=") + job.mark().text,
                        state);
            if (job.kind == Kind::ended)
                terms.ended[job.row.id] = "Slurm job " + std::to_string(_slurmJobs.back().id) + ": NODE_FAIL";
        }
    }
    beginToRemember(database, terms);
    rememberJobs(database);
}

void DemoCluster::addSlurmJob(const std::string& comment, SimulatedJob::State state)
{
    const auto id = static_cast<std::uint32_t>(_slurmJobs.size() + 1);
    _slurmJobs.push_back({.id = id, .comment = comment, .state = state});
}

int DemoCluster::terminations() const
{
    return static_cast<int>(std::ranges::count_if(_jobs, &DemoJob::isToBeTerminated));
}

int DemoCluster::count(DemoJob::Kind kind) const
{
    return static_cast<int>(
        std::count_if(_jobs.begin(), _jobs.end(), [kind](const DemoJob& job) { return job.kind == kind; }));
}

void DemoCluster::sendHeartbeats(JobDatabase& database) const
{
    for (const DemoJob& job : _jobs) {
        if (job.kind == Kind::stalled)
            database.stopIfCanceled(job.row.id);
        if (job.kind == Kind::healthy || (job.kind == Kind::stalled && !database.isCompleted(job.row.id)))
            database.heartbeat(job.row.id);
    }
}

bool DemoCluster::areStalledOver(JobDatabase& database) const
{
    return std::ranges::all_of(_jobs, [&](const DemoJob& job) {
        return job.kind != Kind::stalled || database.isCompleted(job.row.id);
    });
}

} // namespace HangDetection::Sim
