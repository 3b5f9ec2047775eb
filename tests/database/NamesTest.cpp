#include "DatabaseFixture.h"
#include "OpenTransaction.h"

namespace HangDetection::Test {

class NamesTest : public DatabaseFixture
/// Whose workspace, and which template, a terminated job was about.
{
    TEST_SUITE(NamesTest);

public:
    void setUp() override
    {
        DatabaseFixture::setUp();
        insert("users (id, username) VALUES ('" + _user + "', 'ada')");
        insert("templates (id, name) VALUES ('" + _template + "', 'gpu large')");
        insert("workspaces (id, owner_id, template_id, name) VALUES ('" + _workspace + "', '" + _user +
               "', '" + _template + "', 'thesis')");
    }

private:
    void insert(const std::string& row) { database().execute("INSERT INTO " + row); }

    std::string namesOfTheTerminated()
    /// Of the one that a run terminates.
    {
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, run().terminated.size());
        return namesIn(posted().terminated.back());
    }

    static std::string namesIn(const Termination& job)
    {
        return job.workspace + "|" + job.owner + "|" + job.templateName;
    }

    TEST(namesWorkspaceOwnerAndTemplateOfABuild)
    {
        addHungBuild(_workspace, 1);
        CPPUNIT_ASSERT_EQUAL(std::string("thesis|ada|gpu large"), namesOfTheTerminated());
    }

    TEST(namesTheTemplateOfAnImport)
    {
        const std::string job = addHungJob();
        insert("template_versions (id, template_id, job_id) VALUES (gen_random_uuid(), '" + _template +
               "', '" + job + "')");
        CPPUNIT_ASSERT_EQUAL(std::string("||gpu large"), namesOfTheTerminated());
    }

    TEST(namesWhatThereIs)
    {
        addHungBuild(Sim::JobDatabase::newId(), 1);
        CPPUNIT_ASSERT_EQUAL(std::string("||"), namesOfTheTerminated());
        addHungJob();
        CPPUNIT_ASSERT_EQUAL(std::string("||"), namesOfTheTerminated());
        // The first version of a template that is still to be made.
        const std::string job = addHungJob();
        insert("template_versions (id, job_id) VALUES (gen_random_uuid(), '" + job + "')");
        CPPUNIT_ASSERT_EQUAL(std::string("||"), namesOfTheTerminated());
    }

    TEST(namesTheDaemonAndWhenItWasSeen)
    {
        const std::string worker = database().addDaemon("größe \"1\"");
        for (const std::string seen :
             {"now() - interval '70 seconds'", "'-infinity'", "'infinity'", "NULL"}) {
            database().execute("UPDATE provisioner_daemons SET last_seen_at = " + seen);
            database().addJob({.worker = worker});
            run();
            CPPUNIT_ASSERT_EQUAL(std::string("größe \"1\""), posted().terminated.back().daemon);
            CPPUNIT_ASSERT_EQUAL_MESSAGE(seen, seen != "NULL",
                                         posted().terminated.back().daemonSeen.has_value());
        }
        const auto first = posted().terminated.front().daemonSeen;
        CPPUNIT_ASSERT(first >= std::chrono::seconds(70) && first < std::chrono::minutes(10));
        database().execute("REVOKE SELECT (last_seen_at) ON provisioner_daemons FROM hang_detector");
        expectUnseen(worker, "größe \"1\"");
        database().execute("ALTER TABLE provisioner_daemons DROP COLUMN last_seen_at");
        expectUnseen(worker, "größe \"1\"");
        database().execute("REVOKE SELECT (name) ON provisioner_daemons FROM hang_detector");
        expectUnseen(worker, "");
    }

    void expectUnseen(const std::string& worker, const std::string& name)
    {
        forgetDetector();
        database().addJob({.worker = worker});
        run();
        CPPUNIT_ASSERT_EQUAL(name, posted().terminated.back().daemon);
        CPPUNIT_ASSERT(!posted().terminated.back().daemonSeen);
    }

    TEST(namesTheSameInADryRun)
    {
        settings().dryRun = true;
        addHungBuild(_workspace, 1);
        CPPUNIT_ASSERT_EQUAL(1, run().wouldTerminate);
        CPPUNIT_ASSERT_EQUAL(std::string("thesis|ada|gpu large"), namesIn(posted().wouldBeTerminated.back()));
    }

    TEST(doesWithoutTheTables)
    {
        database().execute("DROP TABLE workspaces");
        applyRoleScript();
        addHungBuild(_workspace, 1);
        CPPUNIT_ASSERT_EQUAL(std::string("||"), namesOfTheTerminated());
    }

    TEST(doesWithoutThePrivileges)
    {
        database().execute("REVOKE SELECT (username) ON users FROM hang_detector");
        addHungBuild(_workspace, 1);
        CPPUNIT_ASSERT_EQUAL(std::string("||"), namesOfTheTerminated());
    }

    TEST(doesWithoutATableThatIsDroppedMeanwhile)
    {
        connectDetector();
        database().execute("DROP TABLE workspaces");
        addHungBuild(_workspace, 1);
        CPPUNIT_ASSERT_EQUAL(std::string("||"), namesOfTheTerminated());
    }

    TEST(doesWithoutATableThatAMigrationHasLocked)
    {
        addHungBuild(_workspace, 1);
        {
            const OpenTransaction migration(connectionString(), "LOCK TABLE users IN ACCESS EXCLUSIVE MODE");
            CPPUNIT_ASSERT_EQUAL(std::string("||"), namesOfTheTerminated());
        }
        addHungBuild(_workspace, 2);
        CPPUNIT_ASSERT_EQUAL(std::string("thesis|ada|gpu large"), namesOfTheTerminated());
    }

    TEST(doesWithoutWhatAPolicyHides)
    {
        database().execute("ALTER TABLE users ENABLE ROW LEVEL SECURITY");
        addHungBuild(_workspace, 1);
        CPPUNIT_ASSERT_EQUAL(std::string("||"), namesOfTheTerminated());
    }

    TEST(postsAJobWhoseSessionEndsBeforeItHasNames)
    {
        const std::string job = addHungBuild(_workspace, 1);
        const OpenTransaction migration(connectionString(), "LOCK TABLE users IN ACCESS EXCLUSIVE MODE");
        startRun();
        awaitWaitingFor("Lock");
        endSessionOfDetector();
        const RunStatistics statistics = endOfRun();
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, statistics.terminated);
        CPPUNIT_ASSERT_EQUAL(std::string("||"), namesIn(posted().terminated.back()));
        CPPUNIT_ASSERT_EQUAL(std::string("57P01"), statistics.error.value().sqlState);
    }

    TEST(asksOnceAnHourForWhatIsMissing)
    {
        database().execute("REVOKE SELECT (username) ON users FROM hang_detector");
        addHungBuild(_workspace, 1);
        CPPUNIT_ASSERT_EQUAL(std::string("||"), namesOfTheTerminated());
        applyRoleScript();
        addHungBuild(_workspace, 2);
        CPPUNIT_ASSERT_EQUAL(std::string("||"), namesOfTheTerminated());
        forgetDetector();
        addHungBuild(_workspace, 3);
        CPPUNIT_ASSERT_EQUAL(std::string("thesis|ada|gpu large"), namesOfTheTerminated());
    }

    const std::string _user = Sim::JobDatabase::newId();
    const std::string _template = Sim::JobDatabase::newId();
    const std::string _workspace = Sim::JobDatabase::newId();
};

} // namespace HangDetection::Test
