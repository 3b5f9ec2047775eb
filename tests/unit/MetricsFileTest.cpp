#include "notification/MetricsFile.h"

#include "RecordingLogger.h"
#include "TemporaryDirectory.h"

#include <cppunit/extensions/HelperMacros.h>

#include <array>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <set>
#include <stop_token>
#include <string>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

namespace HangDetection::Test {

namespace {

namespace fs = std::filesystem;

class OrdinaryUser
/// The thread has no more rights than the user nobody while this lives. Does nothing when it has
/// none to give up.
{
public:
    OrdinaryUser() { become(nobody); }
    ~OrdinaryUser() { become(getuid()); }

    OrdinaryUser(const OrdinaryUser&) = delete;
    OrdinaryUser& operator=(const OrdinaryUser&) = delete;

private:
    static constexpr uid_t nobody = 65534;

    static void become(uid_t user)
    // The system call is about this thread, the function of the C library about all of them.
    {
        syscall(SYS_setresuid, -1, user, -1);
    }
};

class SmallFilesOnly
/// No file of the process can grow beyond so many bytes while this lives.
{
public:
    explicit SmallFilesOnly(rlim_t most) : _handler(std::signal(SIGXFSZ, SIG_IGN))
    {
        getrlimit(RLIMIT_FSIZE, &_before);
        const rlimit small{most, _before.rlim_max};
        setrlimit(RLIMIT_FSIZE, &small);
    }

    ~SmallFilesOnly()
    {
        setrlimit(RLIMIT_FSIZE, &_before);
        std::signal(SIGXFSZ, _handler);
    }

    SmallFilesOnly(const SmallFilesOnly&) = delete;
    SmallFilesOnly& operator=(const SmallFilesOnly&) = delete;

private:
    void (*const _handler)(int);
    rlimit _before{};
};

class NamesWrittenTo
/// The names of the files of a directory that are made or written to, as long as this lives.
{
public:
    explicit NamesWrittenTo(const fs::path& directory) : _descriptor(inotify_init1(IN_NONBLOCK | IN_CLOEXEC))
    {
        CPPUNIT_ASSERT(inotify_add_watch(_descriptor, directory.c_str(), IN_CREATE | IN_MODIFY) >= 0);
    }

    ~NamesWrittenTo() { close(_descriptor); }

    NamesWrittenTo(const NamesWrittenTo&) = delete;
    NamesWrittenTo& operator=(const NamesWrittenTo&) = delete;

    std::set<std::string> read() const
    {
        alignas(inotify_event) std::array<char, 65536> events{};
        const ssize_t length = ::read(_descriptor, events.data(), events.size());
        std::set<std::string> names;
        for (ssize_t at = 0; at < length;) {
            const auto* const event = reinterpret_cast<const inotify_event*>(events.data() + at);
            names.insert(event->name);
            at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
        }
        return names;
    }

private:
    const int _descriptor;
};

} // namespace

class MetricsFileTest : public CppUnit::TestFixture
{
    CPPUNIT_TEST_SUITE(MetricsFileTest);
    CPPUNIT_TEST(writesTheTextAndNothingBeside);
    CPPUNIT_TEST(writesNothingWithoutAPath);
    CPPUNIT_TEST(letsEverybodyReadWhateverTheUmask);
    CPPUNIT_TEST(showsAReaderOneWholeTextOrTheNext);
    CPPUNIT_TEST(showsAReaderWholeTextsOfManyWriters);
    CPPUNIT_TEST(isHiddenFromTheCollectorUntilItIsWhole);
    CPPUNIT_TEST(usesTheTemporaryOfACrash);
    CPPUNIT_TEST(removesTheOldFileWhenThePathChanges);
    CPPUNIT_TEST(removesTheFileWhenThereIsNoPathAnyMore);
    CPPUNIT_TEST(keepsTheFileWhenThePathStaysAndWhenItGoes);
    CPPUNIT_TEST(tellsAFailureOnceAndItsEnd);
    CPPUNIT_TEST(tellsAFailureAgainWhenTheReasonChanges);
    CPPUNIT_TEST(tellsOfADirectoryThatItMayNotWriteTo);
    CPPUNIT_TEST(tellsOfAFileThatItMayNotRemove);
    CPPUNIT_TEST(keepsTheOldTextWhenTheNextCannotBeWritten);
    CPPUNIT_TEST(leavesNoTemporaryAfterAFailure);
    CPPUNIT_TEST(isNotHeldUpByAPipe);
    CPPUNIT_TEST_SUITE_END();

    void writesTheTextAndNothingBeside()
    {
        _file.moveTo(path());
        _file.write("one\n");
        _file.write("2\n");
        assertText("2\n");
        CPPUNIT_ASSERT_EQUAL(std::ptrdiff_t{1}, std::distance(fs::directory_iterator(_directory.path()), {}));
        CPPUNIT_ASSERT(_log.lines().empty());
    }

    void writesNothingWithoutAPath()
    {
        _file.write("one\n");
        CPPUNIT_ASSERT(_log.lines().empty());
    }

    void letsEverybodyReadWhateverTheUmask()
    {
        const mode_t before = umask(0077);
        _file.moveTo(path());
        _file.write("one\n");
        umask(before);
        struct stat status = {};
        CPPUNIT_ASSERT_EQUAL(0, stat(path().c_str(), &status));
        CPPUNIT_ASSERT_EQUAL(mode_t{0644}, status.st_mode & 07777U);
    }

    void showsAReaderOneWholeTextOrTheNext()
    {
        _file.moveTo(path());
        _file.write(longText('a'));
        readWhile([this](int round) { _file.write(longText(round % 2 == 0 ? 'b' : 'c')); });
    }

    void showsAReaderWholeTextsOfManyWriters()
    // As an old slurmctld and its successor. A lock holds between any who opened the file, be
    // they of one process or of several.
    {
        _file.moveTo(path());
        _file.write(longText('a'));
        {
            const auto writeOn = [this](const std::stop_token& stop, char c) {
                MetricsFile file(_log.logger());
                file.moveTo(path());
                while (!stop.stop_requested())
                    file.write(longText(c));
            };
            const std::jthread successor(writeOn, 'd');
            const std::jthread another(writeOn, 'e');
            readWhile([this](int) { _file.write(longText('b')); });
        }
        CPPUNIT_ASSERT(_log.lines().empty());
    }

    void isHiddenFromTheCollectorUntilItIsWhole()
    {
        const NamesWrittenTo names(_directory.path());
        _file.moveTo(path());
        _file.write("one\n");
        _file.write("two\n");
        const std::set<std::string> written = names.read();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, written.size());
        CPPUNIT_ASSERT_EQUAL(std::string(temporaryName), *written.begin());
        CPPUNIT_ASSERT(!written.begin()->ends_with(".prom"));
    }

    void usesTheTemporaryOfACrash()
    {
        _file.moveTo(path());
        _directory.write(temporaryName, "much longer than what is to be written");
        _file.write("one\n");
        assertText("one\n");
        CPPUNIT_ASSERT(!fs::exists(_directory.path() / temporaryName));
    }

    void removesTheOldFileWhenThePathChanges()
    {
        _file.moveTo(path());
        _file.write("one\n");
        const fs::path next = _directory.path() / "next.prom";
        _file.moveTo(next);
        CPPUNIT_ASSERT(!fs::exists(path()));
        _file.write("two\n");
        CPPUNIT_ASSERT_EQUAL(std::string("two\n"), _directory.read("next.prom"));
        CPPUNIT_ASSERT(!fs::exists(path()));
    }

    void removesTheFileWhenThereIsNoPathAnyMore()
    {
        _file.moveTo(path());
        _file.write("one\n");
        _file.moveTo({});
        _file.write("two\n");
        CPPUNIT_ASSERT(fs::is_empty(_directory.path()));
        CPPUNIT_ASSERT(_log.lines().empty());
    }

    void keepsTheFileWhenThePathStaysAndWhenItGoes()
    {
        {
            MetricsFile file(_log.logger());
            file.moveTo(path());
            file.write("one\n");
            file.moveTo(path());
            assertText("one\n");
        }
        assertText("one\n");
    }

    void tellsAFailureOnceAndItsEnd()
    {
        const fs::path folder = _directory.path() / "none";
        _file.moveTo(folder / "m.prom");
        _file.write("one\n");
        _file.write("two\n");
        assertOnlyLine(
            "error: metrics file cannot be written path=" + (folder / "m.prom").string() +
            " error=\"No such file or directory\" advice=\"make the directory, or give MetricsFile "
            "another one\"");
        fs::create_directory(folder);
        _file.write("three\n");
        _file.write("four\n");
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, _log.lines().size());
        CPPUNIT_ASSERT_EQUAL("information: metrics file is written again path=" +
                                 (folder / "m.prom").string(),
                             _log.lines().back());
    }

    void tellsAFailureAgainWhenTheReasonChanges()
    {
        const fs::path folder = _directory.path() / "none";
        _file.moveTo(folder / "m.prom");
        _file.write("one\n");
        _directory.write("none", "no directory");
        _file.write("two\n");
        _file.write("three\n");
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, _log.lines().size());
        CPPUNIT_ASSERT(_log.lines().back().find(" error=\"Not a directory\" advice=\"make the") !=
                       std::string::npos);
        // Another path is another failure.
        _file.moveTo(folder / "n.prom");
        _file.write("four\n");
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, _log.lines().size());
    }

    void tellsOfADirectoryThatItMayNotWriteTo()
    {
        letOthersReadTheDirectory();
        const OrdinaryUser user;
        _file.moveTo(path());
        _file.write("one\n");
        assertOnlyLine(
            "error: metrics file cannot be written path=" + path().string() +
            " error=\"Permission denied\" advice=\"let slurmctld's user write to the directory, or "
            "give MetricsFile another one\"");
        _file.moveTo({});
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, _log.lines().size());
    }

    void tellsOfAFileThatItMayNotRemove()
    {
        _file.moveTo(path());
        _file.write("one\n");
        letOthersReadTheDirectory();
        const OrdinaryUser user;
        _file.moveTo({});
        assertOnlyLine(
            "error: metrics file cannot be removed path=" + path().string() +
            " error=\"Permission denied\" advice=\"let slurmctld's user write to the directory, or "
            "give MetricsFile another one\"");
        assertText("one\n");
    }

    void keepsTheOldTextWhenTheNextCannotBeWritten()
    {
        _file.moveTo(path());
        _file.write("one\n");
        {
            const SmallFilesOnly limit(7);
            _file.write("longer than seven bytes\n");
        }
        assertText("one\n");
        assertOnlyLine("error: metrics file cannot be written path=" + path().string() +
                       " error=\"File too large\" advice=\"see to the disk, or give MetricsFile another "
                       "place\"");
        CPPUNIT_ASSERT(!fs::exists(_directory.path() / temporaryName));
    }

    void leavesNoTemporaryAfterAFailure()
    {
        fs::create_directory(path());
        _file.moveTo(path());
        _file.write("one\n");
        assertOnlyLine("error: metrics file cannot be written path=" + path().string() +
                       " error=\"Is a directory\" advice=\"give MetricsFile the path of a file\"");
        CPPUNIT_ASSERT(!fs::exists(_directory.path() / temporaryName));
        _file.moveTo({});
        CPPUNIT_ASSERT(fs::is_directory(path()));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, _log.lines().size());
    }

    void isNotHeldUpByAPipe()
    /// Which somebody put in the place of the temporary; opened for writing, it would wait for a reader.
    {
        CPPUNIT_ASSERT_EQUAL(0, mkfifo((_directory.path() / temporaryName).c_str(), 0644));
        _file.moveTo(path());
        _file.write("one\n");
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, _log.lines().size());
        CPPUNIT_ASSERT(!fs::exists(path()));
    }

    static constexpr const char* name = "hang_detector.prom";
    static constexpr const char* temporaryName = "hang_detector.prom.tmp";

    fs::path path() const { return _directory.path() / name; }

    static std::string longText(char c)
    // Of several writes of a page, and a different length for each.
    {
        return std::string(20000 + static_cast<std::size_t>(c) * 10, c) + '\n';
    }

    template <typename Write>
    void readWhile(Write write)
    /// Reads many times while write is called many times. Each text has to be whole.
    {
        constexpr int leastWrites = 2000;
        constexpr int leastReads = 100;
        std::atomic_bool isOver = false;
        std::atomic_int partial = 0;
        std::atomic_int read = 0;
        std::thread reader([&] {
            while (!isOver) {
                const std::string text = _directory.read(name);
                ++read;
                if (text.empty() || text != longText(text.front()))
                    ++partial;
            }
        });
        for (int round = 0; round < leastWrites || read < leastReads; ++round)
            write(round);
        isOver = true;
        reader.join();
        CPPUNIT_ASSERT_EQUAL(0, partial.load());
    }

    void letOthersReadTheDirectory() const { fs::permissions(_directory.path(), fs::perms(0755)); }

    void assertText(const std::string& text) const { CPPUNIT_ASSERT_EQUAL(text, _directory.read(name)); }

    void assertOnlyLine(const std::string& line) const
    {
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, _log.lines().size());
        CPPUNIT_ASSERT_EQUAL(line, _log.lines().front());
    }

    const TemporaryDirectory _directory;
    RecordingLogger _log;
    MetricsFile _file{_log.logger()};
};

CPPUNIT_TEST_SUITE_REGISTRATION(MetricsFileTest);

} // namespace HangDetection::Test
