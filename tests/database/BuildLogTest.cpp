#include "ContractTexts.h"
#include "DatabaseFixture.h"
#include "Rows.h"

#include <functional>
#include <map>
#include <type_traits>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class BuildLogTest : public DatabaseFixture
/// The lines that a terminated job's log ends with.
{
    CPPUNIT_TEST_SUITE(BuildLogTest);
    CPPUNIT_TEST(writesFiveErrorsOfTheProvisionerDaemon);
    CPPUNIT_TEST(namesTheThreshold);
    CPPUNIT_TEST(keepsTheEarlierLinesAndWritesTheStageOfTheLastOne);
    CPPUNIT_TEST_SUITE_END();

    using Lines = std::vector<std::string>;

    void writesFiveErrorsOfTheProvisionerDaemon()
    /// One each millisecond from the completion on.
    {
        const std::string job = addHungJob();
        run();
        CPPUNIT_ASSERT_EQUAL(fiveLines("5"), each(job, &Sim::LogRow::output));
        CPPUNIT_ASSERT_EQUAL(Lines(5, "error"), each(job, &Sim::LogRow::level));
        CPPUNIT_ASSERT_EQUAL(Lines(5, "provisioner_daemon"), each(job, &Sim::LogRow::source));
        CPPUNIT_ASSERT_EQUAL((std::vector<std::int64_t>{0, 1000, 2000, 3000, 4000}),
                             each(job, &Sim::LogRow::microsAfterCompletion));
    }

    void namesTheThreshold()
    {
        const std::map<std::chrono::seconds, std::string> minutesOf{{10min, "10"}, {90s, "1.5"}};
        for (const auto& [threshold, minutes] : minutesOf) {
            change(&Settings::hungJobDuration, threshold);
            const std::string job = database().addJob({.updatedAgo = "11 minutes"});
            run();
            CPPUNIT_ASSERT_EQUAL(fiveLines(minutes), each(job, &Sim::LogRow::output));
        }
    }

    void keepsTheEarlierLinesAndWritesTheStageOfTheLastOne()
    /// Of several jobs in one run.
    {
        struct Row
        {
            std::string name;
            Lines stages;
            std::string last;
            std::string job = {};
            Text before = {};
        };
        std::vector<Row> rows{
            {"no line", {}, "Unknown"},
            {"one line", {"Applying"}, "Applying"},
            {"two lines", {"Applying", "Planning"}, "Planning"},
            {"the highest id, not the latest time", {"Planning", "Applying"}, "Applying"},
            {"an empty stage", {"Planning", ""}, "Unknown"},
        };
        for (Row& row : rows) {
            row.job = addHungJob();
            for (const std::string& stage : row.stages)
                database().addLog(row.job, stage, "the worker's line in " + stage);
        }
        database().addLog(database().addJob({.updatedAgo = "1 second"}), "of another job");
        database().execute("UPDATE provisioner_job_logs SET created_at = now() WHERE stage = 'Planning'");
        for (Row& row : rows)
            row.before = earlierLines(row.job);
        CPPUNIT_ASSERT_EQUAL(rows.size(), run().terminated.size());
        forEachRow<Row>(rows, [this](const Row& row) {
            Lines stages = row.stages;
            stages.insert(stages.end(), 5, row.last);
            CPPUNIT_ASSERT_EQUAL(stages, each(row.job, &Sim::LogRow::stage));
            CPPUNIT_ASSERT_EQUAL(row.before, earlierLines(row.job));
            const Lines outputs = each(row.job, &Sim::LogRow::output);
            CPPUNIT_ASSERT_EQUAL(fiveLines("5"), Lines(outputs.end() - 5, outputs.end()));
        });
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
