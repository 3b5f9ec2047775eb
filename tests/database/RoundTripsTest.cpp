#include "CountingProxy.h"
#include "DatabaseFixture.h"
#include "Figure.h"

#include <libpq-fe.h>

#include <memory>
#include <optional>
#include <string>

namespace HangDetection::Test {

class RoundTripsTest : public DatabaseFixture
/// How often the detector waits for an answer of the server, counted at the socket.
{
public:
    void setUp() override
    {
        DatabaseFixture::setUp();
        _proxy.emplace(server().directory());
        settings().connection =
            ConnectionString::parse(connectionString(detectorRole) + " host=" + _proxy->directory().string());
    }

    void tearDown() override
    {
        DatabaseFixture::tearDown();
        _proxy.reset();
    }

    CPPUNIT_TEST_SUITE(RoundTripsTest);
    CPPUNIT_TEST(countsWhatAClientWaitsFor);
    CPPUNIT_TEST(waitsNoMoreOftenForMoreJobs);
    CPPUNIT_TEST_SUITE_END();

    void countsWhatAClientWaitsFor()
    {
        const std::string where = connectionString() + " host=" + _proxy->directory().string();
        const std::unique_ptr<PGconn, decltype(&PQfinish)> client(PQconnectdb(where.c_str()), &PQfinish);
        const auto trips = [&](auto&&... questions) {
            _proxy->reset();
            for (PGresult* answer : {questions()...}) {
                CPPUNIT_ASSERT_EQUAL(std::string(), std::string(PQresultErrorMessage(answer)));
                PQclear(answer);
            }
            return _proxy->roundTrips();
        };
        const std::string longText = "SELECT length('" + std::string(1000000, 'x') + "')";
        CPPUNIT_ASSERT_EQUAL(1, trips([&] { return PQexec(client.get(), "SELECT 1"); }));
        CPPUNIT_ASSERT_EQUAL(1, trips([&] { return PQexec(client.get(), longText.c_str()); }));
        CPPUNIT_ASSERT_EQUAL(1, trips([&] { return PQexec(client.get(), "SELECT repeat('x', 1000000)"); }));
        CPPUNIT_ASSERT_EQUAL(
            2, trips([&] { return PQprepare(client.get(), "", "SELECT 1", 0, nullptr); },
                     [&] { return PQexecPrepared(client.get(), "", 0, nullptr, nullptr, nullptr, 0); }));
    }

    void waitsNoMoreOftenForMoreJobs()
    {
        connectDetector();
        const int idle = roundTripsOfARun(0);
        const int one = roundTripsOfARun(1);
        const int ten = roundTripsOfARun(10);
        figure() << "round trips of a run: " << idle << " with nothing to do, " << one << " for 1 job, "
                 << ten << " for 10\n";
        CPPUNIT_ASSERT(idle > 0);
        CPPUNIT_ASSERT(idle < one);
        CPPUNIT_ASSERT_EQUAL(one, ten);
    }

    int roundTripsOfARun(std::size_t hungJobs)
    {
        addHungJobs(static_cast<int>(hungJobs));
        _proxy->reset();
        CPPUNIT_ASSERT_EQUAL(hungJobs, run().terminated.size());
        return _proxy->roundTrips();
    }

    std::optional<CountingProxy> _proxy;
};

CPPUNIT_TEST_SUITE_REGISTRATION(RoundTripsTest);

} // namespace HangDetection::Test
