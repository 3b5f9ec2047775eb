#include "ContractTexts.h"
#include "DatabaseFixture.h"

#include <functional>
#include <type_traits>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class BuildLogTest : public DatabaseFixture
/// The lines that a terminated job's log ends with.
{
    CPPUNIT_TEST_SUITE(BuildLogTest);
    CPPUNIT_TEST(endsWithFiveLines);
    CPPUNIT_TEST(writesFiveLinesIntoAnEmptyLog);
    CPPUNIT_TEST(writesErrorsOfTheProvisionerDaemon);
    CPPUNIT_TEST(writesOneLineEachMillisecondFromTheCompletionOn);
    CPPUNIT_TEST(writesALongerThreshold);
    CPPUNIT_TEST(writesHalfMinutes);
    CPPUNIT_TEST(writesTheStageOfTheLastLine);
    CPPUNIT_TEST(takesTheStageOfTheHighestIdNotOfTheLatestTime);
    CPPUNIT_TEST(takesNoStageFromAnotherJob);
    CPPUNIT_TEST(writesUnknownWhenTheLastStageIsEmpty);
    CPPUNIT_TEST(writesUnknownWhenThereIsNoLine);
    CPPUNIT_TEST(writesEachJobItsOwnStageInOneRun);
    CPPUNIT_TEST(keepsTheEarlierLines);
    CPPUNIT_TEST_SUITE_END();

    using Lines = std::vector<std::string>;

    void endsWithFiveLines()
    {
        const std::string job = addHungJob();
        database().addLog(job, "Planning", "the worker's line");
        run();
        Lines expected = fiveLines("5");
        expected.insert(expected.begin(), "the worker's line");
        CPPUNIT_ASSERT_EQUAL(expected, each(job, &Sim::LogRow::output));
    }

    void writesFiveLinesIntoAnEmptyLog()
    {
        const std::string job = addHungJob();
        run();
        CPPUNIT_ASSERT_EQUAL(fiveLines("5"), each(job, &Sim::LogRow::output));
    }

    void writesErrorsOfTheProvisionerDaemon()
    {
        const std::string job = addHungJob();
        run();
        CPPUNIT_ASSERT_EQUAL(Lines(5, "error"), each(job, &Sim::LogRow::level));
        CPPUNIT_ASSERT_EQUAL(Lines(5, "provisioner_daemon"), each(job, &Sim::LogRow::source));
    }

    void writesOneLineEachMillisecondFromTheCompletionOn()
    {
        const std::string job = addHungJob();
        run();
        CPPUNIT_ASSERT_EQUAL((std::vector<std::int64_t>{0, 1000, 2000, 3000, 4000}),
                             each(job, &Sim::LogRow::microsAfterCompletion));
    }

    void writesALongerThreshold()
    {
        settings().hungJobDuration = 10min;
        const std::string job = database().addJob({.updatedAgo = "11 minutes"});
        run();
        CPPUNIT_ASSERT_EQUAL(fiveLines("10"), each(job, &Sim::LogRow::output));
    }

    void writesHalfMinutes()
    {
        settings().hungJobDuration = 90s;
        const std::string job = addHungJob();
        run();
        CPPUNIT_ASSERT_EQUAL(fiveLines("1.5"), each(job, &Sim::LogRow::output));
    }

    void writesTheStageOfTheLastLine()
    {
        const std::string job = addHungJob();
        database().addLog(job, "Planning");
        database().addLog(job, "Applying");
        run();
        CPPUNIT_ASSERT_EQUAL(
            (Lines{"Planning", "Applying", "Applying", "Applying", "Applying", "Applying", "Applying"}),
            each(job, &Sim::LogRow::stage));
    }

    void takesTheStageOfTheHighestIdNotOfTheLatestTime()
    {
        const std::string job = addHungJob();
        database().addLog(job, "Planning");
        database().execute("UPDATE provisioner_job_logs SET created_at = now()");
        database().addLog(job, "Applying");
        run();
        CPPUNIT_ASSERT_EQUAL(std::string("Applying"), each(job, &Sim::LogRow::stage).back());
    }

    void takesNoStageFromAnotherJob()
    {
        const std::string job = addHungJob();
        database().addLog(job, "Planning");
        database().addLog(database().addJob({.updatedAgo = "1 second"}), "Applying");
        run();
        CPPUNIT_ASSERT_EQUAL(Lines(6, "Planning"), each(job, &Sim::LogRow::stage));
    }

    void writesUnknownWhenTheLastStageIsEmpty()
    {
        const std::string job = addHungJob();
        database().addLog(job, "Planning");
        database().addLog(job, "");
        run();
        CPPUNIT_ASSERT_EQUAL((Lines{"Planning", "", "Unknown", "Unknown", "Unknown", "Unknown", "Unknown"}),
                             each(job, &Sim::LogRow::stage));
    }

    void writesUnknownWhenThereIsNoLine()
    {
        const std::string job = addHungJob();
        run();
        CPPUNIT_ASSERT_EQUAL(Lines(5, "Unknown"), each(job, &Sim::LogRow::stage));
    }

    void writesEachJobItsOwnStageInOneRun()
    {
        const std::string planning = addHungJob();
        const std::string applying = addHungJob();
        database().addLog(planning, "Planning");
        database().addLog(applying, "Applying");
        run();
        CPPUNIT_ASSERT_EQUAL(Lines(6, "Planning"), each(planning, &Sim::LogRow::stage));
        CPPUNIT_ASSERT_EQUAL(Lines(6, "Applying"), each(applying, &Sim::LogRow::stage));
    }

    void keepsTheEarlierLines()
    {
        const std::string job = addHungJob();
        database().addLog(job, "Planning", "one");
        database().addLog(job, "", "two");
        const Text before = earlierLines(job);
        run();
        CPPUNIT_ASSERT_EQUAL(std::size_t{7}, database().logs(job).size());
        CPPUNIT_ASSERT_EQUAL(before, earlierLines(job));
    }

    static Lines fiveLines(const std::string& minutes)
    {
        return {"", "====================", Sim::ContractTexts{.minutes = minutes}.line(),
                "====================", ""};
    }

    template <typename Field, typename Value = std::decay_t<std::invoke_result_t<Field, Sim::LogRow>>>
    std::vector<Value> each(const std::string& job, Field field)
    /// One field of each line, in the order of the log.
    {
        std::vector<Value> fields;
        for (const Sim::LogRow& line : database().logs(job))
            fields.push_back(std::invoke(field, line));
        return fields;
    }

    Text earlierLines(const std::string& job)
    {
        return database().value(
            "SELECT jsonb_agg(to_jsonb(l) ORDER BY l.id)::text FROM provisioner_job_logs l"
            " WHERE job_id = $1::uuid AND level <> 'error'",
            job);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(BuildLogTest);

} // namespace HangDetection::Test
