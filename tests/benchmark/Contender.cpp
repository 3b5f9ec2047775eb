#include "Contender.h"

#include "BenchmarkSql.h"
#include "CoderDetector.h"
#include "detection/HangDetector.h"
#include "notification/RunLog.h"

#include <Poco/NullChannel.h>
#include <Poco/Pipe.h>
#include <Poco/PipeStream.h>
#include <Poco/Process.h>

namespace HangDetection::Benchmark {

namespace {

struct PluginDetector
/// The plugin's detector with its log, without slurmctld around it.
{
    explicit PluginDetector(Settings settings)
        : log(notifications, silentLogger()),
          detector(std::move(settings), notifications, nullptr, std::chrono::milliseconds(0))
    {}

    Poco::NotificationCenter notifications;
    RunLog log;
    HangDetector detector;
};

Contender pluginContender(const std::string& connectionString, int mostJobs)
{
    Settings settings;
    settings.connection = ConnectionString::parse(connectionString);
    settings.maxJobsPerRun = mostJobs;
    settings.massHangRatio = 0; // all jobs hang here
    const auto plugin = std::make_shared<PluginDetector>(settings);
    const auto run = [plugin] {
        const RunStatistics statistics = plugin->detector.run({});
        if (statistics.error)
            throw std::runtime_error("the detector: " + statistics.error->cause);
        return static_cast<int>(statistics.terminated.size());
    };
    return {.run = run, .look = run};
}

Contender coderContender(const std::string& connectionString, Test::CoderDetector::Era era, int mostJobs)
/// The work statement by statement, as the detector in a Coder server does it.
{
    const auto detector = std::make_shared<Test::CoderDetector>(connectionString, era, mostJobs);
    return {.run = [detector] {
        const auto before = detector->terminated().size();
        detector->run();
        return static_cast<int>(detector->terminated().size() - before);
    }};
}

class PsqlFloor
/// A psql that is connected already, and a statement whose answer is how many jobs it terminated.
{
public:
    PsqlFloor(const std::string& connectionString, std::string statement)
        : _statement(std::move(statement)),
          _psql(Poco::Process::launch("psql",
                                      {"--no-psqlrc", "--quiet", "--tuples-only", "--no-align",
                                       "--set=ON_ERROR_STOP=1", connectionString},
                                      &_in, &_out, nullptr)),
          _questions(_in),
          _answers(_out)
    {
        ask("");
    }

    ~PsqlFloor()
    {
        _questions.close();
        _psql.wait();
    }

    PsqlFloor(const PsqlFloor&) = delete;
    PsqlFloor& operator=(const PsqlFloor&) = delete;

    int run()
    {
        const std::string answer = ask(_statement);
        if (answer.empty())
            throw std::runtime_error("psql gave no answer");
        return std::stoi(answer);
    }

    pid_t process() const { return _psql.id(); }

private:
    std::string ask(const std::string& question)
    /// The last line of the answer.
    {
        const std::string end = "end of answer";
        _questions << question << "\n\\echo " << end << '\n' << std::flush;
        std::string line;
        std::string answer;
        while (std::getline(_answers, line) && line != end)
            answer = line;
        if (line != end)
            throw std::runtime_error("psql ended without an answer");
        return answer;
    }

    const std::string _statement;
    Poco::Pipe _in;
    Poco::Pipe _out;
    Poco::ProcessHandle _psql;
    Poco::PipeOutputStream _questions;
    Poco::PipeInputStream _answers;
};

} // namespace

Contender makeContender(Side side, const std::string& connectionString, int mostJobs)
{
    using Era = Test::CoderDetector::Era;
    const int limit = std::max(mostJobs, 1);
    switch (side) {
    case Side::detector:
        return pluginContender(connectionString, limit);
    case Side::statements2023:
        return coderContender(connectionString, Era::year2023, limit);
    case Side::statements2026:
        return coderContender(connectionString, Era::year2026, limit);
    case Side::psql:
        break;
    }
    const auto psql =
        std::make_shared<PsqlFloor>(connectionString, mostJobs == 0 ? Sql::floor_search : Sql::floor);
    return {.run = [psql] { return psql->run(); }, .process = psql->process()};
}

Poco::Logger& silentLogger()
{
    Poco::Logger& logger = Poco::Logger::get("Benchmark");
    logger.setChannel(Poco::AutoPtr<Poco::NullChannel>(new Poco::NullChannel));
    logger.setLevel(Poco::Message::PRIO_INFORMATION);
    return logger;
}

} // namespace HangDetection::Benchmark
