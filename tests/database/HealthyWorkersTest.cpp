#include "DatabaseFixture.h"
#include "Figure.h"
#include "RememberedJobs.h"

#include <atomic>
#include <list>
#include <numeric>

namespace HangDetection::Test {

using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;
using Micros = std::int64_t;

/// So short that a job falls silent for as long many times in a test.
constexpr std::chrono::seconds threshold{1};

class Worker
/// A worker with many jobs at once: it reports and completes them, takes new ones, and
/// is silent about some of them for about as long as the threshold. Used by one thread.
///
/// Its statements leave completed jobs alone, which those of Coder's workers do not: they
/// overwrite a termination. So what is overwritten here was overwritten by a detector.
{
public:
    Worker(const std::string& connectionString, std::vector<std::string> waitingJobs, unsigned int seed)
        : _database(connectionString), _waiting(std::move(waitingJobs)), _random(seed)
    {}

    void workUntil(const std::atomic<bool>& isOver)
    {
        for (int i = 0; i < jobsAtOnce; ++i)
            takeJob();
        while (!isOver && !_due.empty()) {
            const auto next = _due.extract(_due.begin());
            std::this_thread::sleep_until(next.key());
            if (!chance(completionPercent)) {
                report(next.mapped(), "");
            } else {
                update(next.mapped(), "completed_at = now(), error = NULL, ", completions);
                takeJob();
            }
        }
    }

    bool hasWaitingJobs() const { return !_waiting.empty(); }

    std::map<std::string, Micros> heartbeats;
    /// The last one of each job that the database has confirmed, by the database's clock.
    std::map<std::string, Micros> completions;
    std::vector<std::string> lost;
    /// The jobs that a detector completed.
    std::size_t heartbeatCount = 0;

private:
    void takeJob()
    {
        if (_waiting.empty())
            return;
        const std::string job = _waiting.back();
        _waiting.pop_back();
        report(job, "started_at = now(), worker_id = gen_random_uuid(), ");
    }

    void report(const std::string& job, const std::string& more)
    {
        const auto start = Clock::now();
        if (!update(job, more, heartbeats)) {
            takeJob();
            return;
        }
        ++heartbeatCount;
        _due.emplace(start + pause(), job);
    }

    bool update(const std::string& job, const std::string& more, std::map<std::string, Micros>& times)
    /// Notes the new updated_at. False when a detector has completed the job.
    {
        const Text confirmed =
            _database.value("UPDATE provisioner_jobs SET " + more +
                                "updated_at = now() WHERE id = $1::uuid AND completed_at IS NULL"
                                " RETURNING (extract(epoch FROM updated_at) * 1000000)::bigint::text",
                            job);
        if (confirmed)
            times[job] = std::stoll(*confirmed);
        else
            lost.push_back(job);
        return confirmed.has_value();
    }

    std::chrono::microseconds pause()
    /// To the next sign of life: soon, or just when a detector may have found the job.
    {
        // Spread out, or all jobs would report in the same moments.
        if (!chance(silencePercent))
            return std::chrono::milliseconds(between(50, 450));
        return threshold + std::chrono::microseconds(between(-2000, 6000));
    }

    bool chance(int percent) { return between(1, 100) <= percent; }

    int between(int least, int most) { return std::uniform_int_distribution(least, most)(_random); }

    static constexpr int jobsAtOnce = 20;
    static constexpr int silencePercent = 40;
    static constexpr int completionPercent = 25;

    Sim::JobDatabase _database;
    std::vector<std::string> _waiting;
    std::minstd_rand _random;
    std::multimap<Clock::time_point, std::string> _due;
};

} // namespace

class HealthyWorkersTest : public DatabaseFixture
/// Workers that report and complete their jobs all the time beside detectors that never
/// pause: a job that reports is never terminated, and a completed one stays as it is.
{
    TEST_SUITE(HealthyWorkersTest);

public:
    void tearDown() override
    {
        _workers.clear();
        _detectors.clear();
        DatabaseFixture::tearDown();
    }

private:
    struct Detector
    /// A detector with its own notifications, used by one thread.
    {
        explicit Detector(const Settings& settings) : detector(settings, center, nullptr, 0ms) {}

        void runUntil(const std::atomic<bool>& isOver)
        {
            while (!isOver) {
                const RunStatistics statistics = detector.run({});
                if (statistics.error)
                    CPPUNIT_FAIL("the run failed: " + statistics.error->cause + " " +
                                 statistics.error->sqlState);
                CPPUNIT_ASSERT_EQUAL(0, statistics.failed);
                reported = count(Outcome::reported);
                terminated = static_cast<int>(posted.terminated.size());
            }
        }

        int count(Outcome outcome) const
        {
            return static_cast<int>(std::ranges::count(posted.skipped, outcome, &Termination::outcome));
        }

        Poco::NotificationCenter center;
        PostedNotifications posted{center};
        HangDetector detector;
        // For any thread.
        std::atomic<int> reported = 0;
        /// Jobs that it found hung and that reported just in time.
        std::atomic<int> terminated = 0;
    };

    TEST(areNeverHarmed)
    {
        settings().hungJobDuration = threshold;
        settings().massHangRatio = 0;
        addWorkers();
        // The workers' own changes; 0.02 minutes are one second.
        RememberedJobs jobs(connectionString(),
                            {.threshold = threshold,
                             .minutes = "0.02",
                             .changedByWorkers = "{started_at,updated_at,completed_at,worker_id}"});
        jobs.remember();
        letThemWork();

        const auto terminated = jobs.terminatedCompletely();
        expectEachPostedOnce(terminated);
        for (const Worker& worker : _workers)
            expectUnharmed(worker, terminated);
        tellAndRequireRaces(terminated.size());
    }

    void addWorkers()
    /// With the jobs that wait for each.
    {
        for (unsigned int i = 1; i <= workerCount; ++i) {
            std::vector<std::string> jobs;
            for (int j = 0; j < jobsOfEach; ++j)
                jobs.push_back(database().addJob({.startedAgo = std::nullopt, .updatedAgo = "0 seconds"}));
            _workers.emplace_back(connectionString(), std::move(jobs), i);
        }
    }

    void letThemWork()
    {
        for (int i = 0; i < detectorCount; ++i)
            _detectors.emplace_back(settings());

        std::atomic<bool> isOver = false;
        std::vector<std::future<void>> runs;
        for (Detector& detector : _detectors)
            runs.push_back(
                std::async(std::launch::async, [&detector, &isOver] { detector.runUntil(isOver); }));
        for (Worker& worker : _workers)
            runs.push_back(std::async(std::launch::async, [&worker, &isOver] { worker.workUntil(isOver); }));
        eventually(atMost, [this] { return reported() >= enough && haveAllTerminated(); });
        isOver = true;
        for (auto& run : runs)
            run.get();
    }

    int reported() const
    {
        return std::accumulate(_detectors.begin(), _detectors.end(), 0,
                               [](int sum, const Detector& detector) { return sum + detector.reported; });
    }

    bool haveAllTerminated() const
    {
        return std::ranges::all_of(_detectors,
                                   [](const Detector& detector) { return detector.terminated > 0; });
    }

    void expectEachPostedOnce(const std::set<std::string>& terminated)
    {
        std::vector<std::string> posted;
        for (const Detector& detector : _detectors) {
            for (const Termination& job : detector.posted.terminated)
                posted.push_back(job.jobId);
        }
        std::ranges::sort(posted);
        CPPUNIT_ASSERT(std::vector(terminated.begin(), terminated.end()) == posted);
    }

    void expectUnharmed(const Worker& worker, const std::set<std::string>& terminated)
    /// What the worker remembers agrees with what became of its jobs.
    {
        // Otherwise it was idle at the end.
        CPPUNIT_ASSERT(worker.hasWaitingJobs());
        for (const std::string& job : worker.lost)
            CPPUNIT_ASSERT_MESSAGE(job, terminated.contains(job));
        for (const auto& [job, time] : worker.completions) {
            CPPUNIT_ASSERT_MESSAGE(job, !terminated.contains(job));
            CPPUNIT_ASSERT_EQUAL(time, completionOf(job));
        }
        for (const auto& [job, time] : worker.heartbeats) {
            if (terminated.contains(job))
                CPPUNIT_ASSERT_MESSAGE(job, completionOf(job) - time >=
                                                Micros{std::chrono::microseconds(threshold).count()});
        }
    }

    Micros completionOf(const std::string& job)
    {
        return std::stoll(jobColumn(job, "(extract(epoch FROM completed_at) * 1000000)::bigint").value());
    }

    void tellAndRequireRaces(std::size_t terminated)
    {
        std::size_t heartbeats = 0;
        std::map<std::string, Micros> completions;
        for (const Worker& worker : _workers) {
            heartbeats += worker.heartbeatCount;
            completions.insert(worker.completions.begin(), worker.completions.end());
        }
        int completed = 0;
        int locked = 0;
        for (const Detector& detector : _detectors) {
            locked += detector.count(Outcome::locked);
            for (const Termination& job : detector.posted.skipped)
                completed += job.outcome == Outcome::completed && completions.contains(job.jobId) ? 1 : 0;
        }
        figure() << workerCount << " workers beside " << detectorCount << " detectors: " << heartbeats
                 << " heartbeats, " << completions.size() << " completions, " << terminated
                 << " terminations; found hung, but reported " << reported() << ", completed by its worker "
                 << completed << ", locked " << locked << '\n';
        CPPUNIT_ASSERT(heartbeats > 0);
        CPPUNIT_ASSERT(terminated > 0);
        // Otherwise nothing was raced.
        CPPUNIT_ASSERT(reported() > 0);
        CPPUNIT_ASSERT(completed > 0);
    }

    static constexpr unsigned int workerCount = 4;
    static constexpr int detectorCount = 3;
    static constexpr int jobsOfEach = 600;
    /// Races of a heartbeat and a termination after which the test ends, once each detector has
    /// won some, and the time after which it ends anyway.
    static constexpr int enough = 100;
    static constexpr std::chrono::seconds atMost{20};

    std::list<Worker> _workers;
    std::list<Detector> _detectors;
};

} // namespace HangDetection::Test
