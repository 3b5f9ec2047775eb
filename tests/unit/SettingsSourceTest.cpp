#include "SettingsSource.h"

#include "Eventually.h"
#include "SettingsFile.h"
#include "Suite.h"
#include "TemporaryDirectory.h"
#include "ThrownBy.h"

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <sys/resource.h>
#include <thread>
namespace HangDetection::Test {

using namespace std::chrono_literals;

class SettingsSourceTest : public CppUnit::TestFixture
{
    TEST_SUITE(SettingsSourceTest);

public:
    void setUp() override
    {
        write("Interval=30\n");
        CPPUNIT_ASSERT(_watch.read().interval == 30s);
        // Before Linux 6.13 the time of a change has the resolution of a tick, 10 ms at most, and two
        // files that differ in nothing else are one.
        std::this_thread::sleep_for(20ms);
    }

private:
    void write(const std::string& text)
    {
        _directory.write("hang_detector.conf", "Connection=host=db password=secret\n" + text);
    }

    Settings nextSettings()
    /// A change is taken a second after it was made; the rest is for a slow machine.
    {
        std::optional<Settings> settings;
        CPPUNIT_ASSERT(eventually(20s, [&] { return (settings = _watch.readIfChanged()).has_value(); }));
        return *settings;
    }

    void expectRefusedOnce(const std::string& expected)
    {
        const std::string refusal = thrownBy<SettingsError>([this] { nextSettings(); }, expected).what();
        CPPUNIT_ASSERT_MESSAGE(refusal, refusal.find("hang_detector.conf" + expected) != std::string::npos);
        CPPUNIT_ASSERT(!_watch.readIfChanged());
    }

    TEST(readsAFileThatWasWrittenAgain)
    {
        // Of the same size.
        write("Interval=45\n");
        CPPUNIT_ASSERT(nextSettings().interval == 45s);
        CPPUNIT_ASSERT(!_watch.readIfChanged());
    }

    TEST(readsAFileThatTookThePlaceOfTheOther)
    {
        const auto time = std::filesystem::last_write_time(_file);
        const auto other = _directory.write("other", "Connection=host=db password=secret\nInterval=45\n");
        std::filesystem::last_write_time(other, time);
        std::filesystem::rename(other, _file);
        CPPUNIT_ASSERT(nextSettings().interval == 45s);
    }

    TEST(leavesAFileThatIsBeingWritten)
    {
        using Clock = std::chrono::steady_clock;
        Clock::time_point begin;
        bool isRead = false;
        do {
            begin = Clock::now();
            write("Interval=45\n");
            isRead = _watch.readIfChanged().has_value();
        } while (Clock::now() - begin >= 1s); // too slow to tell
        CPPUNIT_ASSERT(!isRead);
        CPPUNIT_ASSERT(_watch.isChanging());
        CPPUNIT_ASSERT(nextSettings().interval == 45s);
        CPPUNIT_ASSERT(Clock::now() - begin >= 900ms);
        CPPUNIT_ASSERT(!_watch.isChanging());
    }

    TEST(refusesEachWrongFileOnce)
    {
        write("Interval=soon\n");
        expectRefusedOnce(":2: Interval: 'soon' is not a duration");
        write("Interval=45\n");
        CPPUNIT_ASSERT(nextSettings().interval == 45s);
        std::filesystem::permissions(_file, std::filesystem::perms::others_read,
                                     std::filesystem::perm_options::add);
        expectRefusedOnce(":1: Connection: holds a password, but everybody can read the file");
    }

    TEST(readsAFileAfterAShortage)
    {
        write("Interval=45\n");
        std::this_thread::sleep_for(1100ms);
        rlimit limit{};
        getrlimit(RLIMIT_NOFILE, &limit);
        {
            const rlimit none{0, limit.rlim_max};
            setrlimit(RLIMIT_NOFILE, &none);
            const std::shared_ptr<void> restored(nullptr, [&](void*) { setrlimit(RLIMIT_NOFILE, &limit); });
            const std::string refusal =
                thrownBy<SettingsError>([this] { _watch.readIfChanged(); }, "a shortage").what();
            CPPUNIT_ASSERT_EQUAL(_file.string() + ": cannot be read: Too many open files", refusal);
            CPPUNIT_ASSERT(!_watch.readIfChanged());
        }
        CPPUNIT_ASSERT(nextSettings().interval == 45s);
    }

    TemporaryDirectory _directory;
    const std::filesystem::path _file = _directory.path() / "hang_detector.conf";
    SettingsSource _watch{_file};
};

} // namespace HangDetection::Test
