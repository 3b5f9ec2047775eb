#include "data/PreparedStatements.h"
#include "DatabaseFixture.h"

#include <libpq-fe.h>

#include <chrono>
#include <memory>
#include <string>

namespace HangDetection::Test {

using namespace std::chrono_literals;

class PreparedStatementsTest : public DatabaseFixture
{
    CPPUNIT_TEST_SUITE(PreparedStatementsTest);
    CPPUNIT_TEST(keepsAPlan);
    CPPUNIT_TEST(plansAgainAfterAnHour);
    CPPUNIT_TEST(writesOutItsArguments);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override
    {
        DatabaseFixture::setUp();
        _connection.reset(PQconnectdb(connectionString().c_str()));
        answerTo("SET plan_cache_mode = force_generic_plan");
    }

    void tearDown() override
    {
        _connection.reset();
        DatabaseFixture::tearDown();
    }

private:
    using Clock = PreparedStatements::Clock;

    std::string answerTo(const std::string& question)
    /// The first column of each row.
    {
        const std::unique_ptr<PGresult, decltype(&PQclear)> result(
            PQexec(_connection.get(), question.c_str()), &PQclear);
        CPPUNIT_ASSERT_EQUAL(std::string(), std::string(PQresultErrorMessage(result.get())));
        std::string text;
        for (int row = 0; row < PQntuples(result.get()); ++row)
            text += PQgetvalue(result.get(), row, 0) + std::string("\n");
        return text;
    }

    std::string planOfATermination(Clock::time_point now)
    {
        const std::string ids = '{' + Sim::JobDatabase::newId() + '}';
        return answerTo("EXPLAIN " + _prepared.execution(_connection.get(), Statements::terminate_jobs,
                                                         {ids, "{0}", "{1}", 300, 0, "", "", "", ""}, now));
    }

    void growTheTable()
    /// After a plan for an empty one, and without anybody who tells the server.
    {
        database().execute("ALTER TABLE provisioner_jobs SET (autovacuum_enabled = off)");
        database().execute("VACUUM provisioner_jobs");
        CPPUNIT_ASSERT(readsAllJobs(planOfATermination(_start)));
        database().addJobs(20000);
    }

    static bool readsAllJobs(const std::string& plan)
    {
        return plan.find("Seq Scan on provisioner_jobs") != std::string::npos;
    }

    void keepsAPlan()
    {
        growTheTable();
        const std::string plan = planOfATermination(_start + 59min);
        CPPUNIT_ASSERT_MESSAGE(plan, readsAllJobs(plan));
    }

    void plansAgainAfterAnHour()
    {
        growTheTable();
        const std::string plan = planOfATermination(_start + 1h);
        CPPUNIT_ASSERT_MESSAGE(plan, !readsAllJobs(plan));
    }

    void writesOutItsArguments()
    {
        const std::string text = _prepared.execution(_connection.get(), Statements::find_terminated_jobs,
                                                     {"it's", std::int64_t{-1}}, _start);
        CPPUNIT_ASSERT_EQUAL(std::string("EXECUTE find_terminated_jobs ('it''s', -1)"), text);
        CPPUNIT_ASSERT_EQUAL(std::string("EXECUTE wants_index"),
                             _prepared.execution(_connection.get(), Statements::wants_index, {}, _start));
    }

    std::unique_ptr<PGconn, decltype(&PQfinish)> _connection{nullptr, &PQfinish};
    PreparedStatements _prepared;
    /// Of a machine that is up for half an hour: less than a plan may be old.
    const Clock::time_point _start{30min};
};

CPPUNIT_TEST_SUITE_REGISTRATION(PreparedStatementsTest);

} // namespace HangDetection::Test
