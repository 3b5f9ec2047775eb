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
#include <utility>
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
        CPPUNIT_ASSERT(eventually(20s, [&] {
            if (auto read = _watch.readIfChanged())
                settings = std::move(read);
            return settings && !_watch.isChanging();
        }));
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

    TEST(takesLessHarmAtOnce)
    {
        write("HungJobDuration=4m\nPendingJobDuration=30m\nMassHangRatio=0\nMassHangMinJobs=40\n"
              "StalledJobDuration=1h\nReleaseAllocations=yes\nCleartextPassword=yes\n");
        const Settings before = nextSettings();
        write("MaxJobsPerRun=99\nDryRun=yes\n");
        const auto careful = _watch.readIfChanged();
        if (!_watch.isChanging())
            return; // too slow to tell
        CPPUNIT_ASSERT(careful);
        std::string changes;
        for (const SettingChange& change : before.changesTo(*careful))
            changes += change.key + ' ' + change.before + ' ' + change.after + '\n';
        CPPUNIT_ASSERT(!careful->connection.isCleartextAllowed());
        CPPUNIT_ASSERT_EQUAL(std::string("CleartextPassword yes no\nHungJobDuration 4m "
                                         "5m\nPendingJobDuration 30m 0\nStalledJobDuration 1h 0\n"
                                         "DryRun no yes\n"
                                         "MassHangRatio 0 55\nMassHangMinJobs 40 20\n"
                                         "ReleaseAllocations yes no\n"),
                             changes);
        CPPUNIT_ASSERT_EQUAL(99, nextSettings().maxJobsPerRun);
    }

    TEST(readsAFileWhoseTimeChangesAllTheTime)
    {
        std::optional<Settings> settings;
        CPPUNIT_ASSERT(eventually(20s, [&] {
            write("Interval=45\n");
            return (settings = _watch.readIfChanged()).has_value();
        }));
        CPPUNIT_ASSERT(settings->interval == 45s);
    }

    TEST(refusesOnceAFileThatNeverSettles)
    {
        int refused = 0;
        std::string text = "Interval=45\n";
        eventually(SettingsSource::patience + 2s, [&] {
            write(text += "#\n");
            try {
                CPPUNIT_ASSERT(!_watch.readIfChanged());
            } catch (const SettingsError& error) {
                ++refused;
                const std::string reason = error.what();
                CPPUNIT_ASSERT_MESSAGE(reason, reason.find("is written all the time") != std::string::npos);
            }
            return false;
        });
        CPPUNIT_ASSERT_EQUAL(1, refused);
        CPPUNIT_ASSERT(nextSettings().interval == 45s);
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
