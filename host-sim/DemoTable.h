#pragma once

#include "DemoCluster.h"
#include "JobDatabase.h"
#include "Screen.h"
#include "SimulatedQueue.h"

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace HangDetection::Sim {

class DemoTable
/// The jobs of the demo as a table: one row for each job, hung jobs first. Used by one thread.
{
public:
    explicit DemoTable(const DemoCluster& cluster);

    void update(const std::vector<JobLook>& jobs, const std::vector<SimulatedJob>& slurmJobs,
                const std::set<std::string>& suspended);
    /// Takes the present state. `suspended` has the jobs that the plugin skipped because of their Slurm jobs.

    struct Counts
    /// How many jobs the table shows as such.
    {
        int running = 0;
        int hung = 0;
        int terminated = 0;
        int canceled = 0;
    };

    Counts counts() const;

    std::vector<Screen::Line> lines(Screen::Size size) const;
    /// The table with a line of headings, in no more lines than the size has. Stages are shortened, and then
    /// columns left out, so that lines fit the width.

private:
    struct Cell
    {
        std::string text;
        Screen::Colour colour = Screen::Colour::plain;
    };

    struct Row
    {
        std::string jobId;
        Mark mark;
        /// Of its Slurm jobs.
        std::string type;
        std::int64_t silentSeconds = 0;
        std::string stage = {};
        std::string state = {};
        std::string slurmJobs = {};
        Cell outcome = {};
    };

    static Cell outcomeOf(const JobLook& job, bool isSuspended);
    static std::vector<Cell> cellsOf(const Row& row);

    std::vector<Row> _rows;
};

} // namespace HangDetection::Sim
