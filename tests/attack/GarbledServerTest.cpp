#include "DatabaseFixture.h"
#include "Figure.h"
#include "JobsUnderFault.h"
#include "RandomMoments.h"
#include "Rounds.h"
#include "SocketProxy.h"

#include <algorithm>
#include <mutex>
#include <random>
#include <string>
#include <vector>

namespace HangDetection::Test {

namespace {

class Garbling
/// What becomes of the server's words on their way. Used by a test and the proxy's thread.
{
public:
    void garbleAt(std::size_t byte, unsigned seed)
    /// Once, at so many bytes from now.
    {
        const std::lock_guard lock(_mutex);
        _engine.seed(seed);
        _byte = byte;
        _isDue = true;
        _passed = 0;
    }

    void insert(const std::string& message, bool isBefore)
    /// Once, before or after the answer to a statement.
    {
        const std::lock_guard lock(_mutex);
        _message = message;
        _isBefore = isBefore;
    }

    void replace(const std::string& text, const std::string& by)
    /// In each answer. Both have the same length.
    {
        const std::lock_guard lock(_mutex);
        _replaced = text;
        _by = by;
    }

    std::size_t passed() const
    /// So many bytes since garbleAt.
    {
        const std::lock_guard lock(_mutex);
        return _passed;
    }

    bool change(std::string& said)
    {
        const std::lock_guard lock(_mutex);
        static const std::string readyForQuery("Z\0\0\0\5I", 6);
        if (!_message.empty() && said.ends_with(readyForQuery))
            said.insert(_isBefore ? 0 : said.size(), std::exchange(_message, ""));
        if (const auto at = said.find(_replaced); !_replaced.empty() && at != std::string::npos)
            said.replace(at, _replaced.size(), _by);
        const std::size_t from = _passed;
        _passed += said.size();
        if (!_isDue || _byte >= _passed)
            return true;
        _isDue = false;
        return garble(said, _byte - from);
    }

private:
    bool garble(std::string& said, std::size_t at)
    {
        constexpr std::size_t longest = 20;
        const auto any = [&](std::size_t most) {
            return std::uniform_int_distribution<std::size_t>(0, most)(_engine);
        };
        const auto noise = [&] {
            std::string bytes(1 + any(longest), ' ');
            std::ranges::generate(bytes, [&] { return static_cast<char>(any(255)); });
            return bytes;
        };
        switch (any(5)) {
        case 0:
            said[at] = static_cast<char>(said[at] ^ (1 << any(7)));
            return true;
        case 1:
            said.replace(at, longest, noise());
            return true;
        case 2:
            said.erase(at, 1 + any(longest));
            return true;
        case 3:
            said.insert(at, noise());
            return true;
        case 4:
            said.insert(at, said.substr(0, at));
            return true;
        default:
            said.resize(at);
            return false;
        }
    }

    mutable std::mutex _mutex;
    std::mt19937 _engine;
    std::size_t _byte = 0;
    std::size_t _passed = 0;
    bool _isDue = false;
    std::string _message;
    bool _isBefore = false;
    std::string _replaced;
    std::string _by;
};

} // namespace

class GarbledServerTest : public DatabaseFixture
/// A server that does not say what PostgreSQL would say.
{
    TEST_SUITE(GarbledServerTest);

public:
    void setUp() override
    {
        DatabaseFixture::setUp();
        settings().connection =
            ConnectionString::parse("host=" + _proxy.directory().string() + " user=" + detectorRole +
                                    " dbname=" + databaseName() + " connect_timeout=2");
        settings().runTimeout = std::chrono::seconds(1);
        settings().massHangRatio = 0;
    }

private:
    TEST(survivesWhateverTheServerSays)
    {
        const unsigned long seed = RandomMoments::givenSeed();
        std::mt19937 engine(static_cast<std::mt19937::result_type>(seed));
        JobsUnderFault jobs(connectionString());
        for (int i = 0; i < 5; ++i)
            database().addJob({.updatedAgo = "-1 hour"});
        jobs.remember();
        jobs.topUp(jobsOfARun);
        _garbling.garbleAt(std::string::npos, 0);
        run();
        const std::size_t bytes = _garbling.passed();

        const int count = attacks(60);
        int failed = 0;
        for (int attack = 0; attack < count; ++attack) {
            const std::string where = "seed " + std::to_string(seed) + ", attack " + std::to_string(attack);
            if (engine() % 2 == 0)
                forgetDetector();
            jobs.topUp(jobsOfARun);
            _garbling.garbleAt(engine() % bytes, static_cast<unsigned>(engine()));
            failed += tryRun().error ? 1 : 0;
            jobs.expectNoneInBetween();
            _garbling.garbleAt(std::string::npos, 0);
            expectToWorkSoon(where);
            CPPUNIT_ASSERT_EQUAL_MESSAGE(where, 0, jobs.left());
        }
        jobs.expectNothingLeft();
        figure() << count << " runs with a garbled answer (seed " << seed << "), of which " << failed
                 << " failed; no job was terminated in part, or while it was healthy\n";
        CPPUNIT_ASSERT(failed > 0);
    }

    TEST(worksAgainAfterAStrayMessage)
    /// One that nobody asked for, before or after the answer to a search.
    {
        const auto message = [](char type, std::string text) {
            const auto size = static_cast<char>(text.size() + 4);
            return std::string{type, 0, 0, 0, size} + std::move(text);
        };
        using namespace std::string_literals;
        for (const std::string& stray :
             {message('Z', "I"), message('Z', "E"), message('C', "SELECT 1\0"s), message('1', ""),
              message('T', "\0\0"s), message('D', "\0\0"s), message('E', "SFATAL\0C57P01\0\0"s),
              message('N', "SNOTICE\0\0"s), message('S', "client_encoding\0UTF8\0"s),
              message('A', "\0\0\0\1channel\0payload\0"s), message('R', "\0\0\0\3"s), message('G', "\0\0\0"s),
              message('H', "\0\0\0"s), message('W', "\0\0\0"s), message('~', ""), "\xff\xff\xff\xff\xff"s}) {
            for (const bool isBefore : {true, false}) {
                run();
                _garbling.insert(stray, isBefore);
                tryRun();
                const std::string job = addHungJob();
                expectToWorkSoon("the message " + stray.substr(0, 1));
                CPPUNIT_ASSERT(isCompleted(job));
            }
        }
    }

    TEST(remembersAndLogsNoIdThatIsNone)
    /// A server could write a password there, or more than memory holds.
    {
        const std::string job = addHungJob();
        _garbling.replace(job, "geheim123" + job.substr(9));
        expectError("an id is no UUID", "08P01", "find out what answers there");
        CPPUNIT_ASSERT(!isCompleted(job));
        _garbling.replace("", "");
        run();
        CPPUNIT_ASSERT(isCompleted(job));
    }

    TEST(believesNoClockThatIsCenturiesAway)
    {
        const std::string job = addHungJob();
        // The first six digits of a time in microseconds, as the search answers with it, change every three
        // hours.
        const std::string time = database().value("SELECT left(extract(epoch FROM now())::text, 6)").value();
        _garbling.replace(time, '9' + time.substr(1));
        expectError("its clock is centuries away", "08P01", "find out what answers there");
        CPPUNIT_ASSERT(!isCompleted(job));
    }

    void expectToWorkSoon(const std::string& where)
    /// The dead session costs one run at most.
    {
        tryRun();
        const RunStatistics second = tryRun();
        CPPUNIT_ASSERT_MESSAGE(where + ": " + (second.error ? second.error->cause : ""), !second.error);
    }

    static constexpr int jobsOfARun = 4;

    Garbling _garbling;
    SocketProxy _proxy{server().directory(), [](int, SocketProxy::Speaker, const std::string&) {},
                       [this](std::string& said) { return _garbling.change(said); }};
};

} // namespace HangDetection::Test
