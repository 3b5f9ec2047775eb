#include "notification/MetricsFile.h"

#include "Printing.h"
#include "RecordingLogger.h"
#include "Suite.h"
#include "TemporaryDirectory.h"

#include <atomic>
#include <csignal>
#include <iterator>
#include <stop_token>
#include <sys/fsuid.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace HangDetection::Test {

namespace fs = std::filesystem;

class MetricsFileTest : public CppUnit::TestFixture
{
    TEST_SUITE(MetricsFileTest);

    TEST(writesTheTextForEverybodyToRead)
    {
        _directory.write(temporaryName, "that of a crash, much longer than what is to be written");
        _file.moveTo(_path);
        _file.write("one\n");
        expectTextAndNothingBeside("one\n");
        const mode_t before = umask(0077);
        _file.write("2\n");
        umask(before);
        expectTextAndNothingBeside("2\n");
        CPPUNIT_ASSERT(fs::perms(0644) == fs::status(_path).permissions());
        expectLog({});
    }

    TEST(showsAReaderWholeTextsOfManyWriters)
    /// As an old slurmctld and its successor. The lock works between threads as between processes.
    {
        constexpr int leastWrites = 2000;
        constexpr int leastReads = 100;
        std::atomic_int reads = 0;
        std::atomic_int partialTexts = 0;
        _file.moveTo(_path);
        _file.write(longText('a'));
        {
            const auto writeOn = [this](const std::stop_token& stop, char c) {
                MetricsFile file(_log.logger());
                file.moveTo(_path);
                while (!stop.stop_requested())
                    file.write(longText(c));
            };
            const std::jthread successor(writeOn, 'd');
            const std::jthread another(writeOn, 'e');
            const std::jthread reader([&](const std::stop_token& stop) {
                for (; !stop.stop_requested(); ++reads) {
                    const std::string text = _directory.read(name);
                    if (text.empty() || text != longText(text.front()))
                        ++partialTexts;
                }
            });
            for (int round = 0; round < leastWrites || reads < leastReads; ++round)
                _file.write(longText(round % 2 == 0 ? 'b' : 'c'));
        }
        CPPUNIT_ASSERT_EQUAL(0, partialTexts.load());
        expectLog({});
    }

    TEST(isHiddenFromTheCollectorUntilItIsWhole)
    /// It reads what ends in .prom.
    {
        const int changes = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        CPPUNIT_ASSERT(inotify_add_watch(changes, _directory.path().c_str(), IN_CREATE | IN_MODIFY) >= 0);
        _file.moveTo(_path);
        _file.write("one\n");
        _file.write("two\n");
        alignas(inotify_event) std::array<char, 65536> events{};
        const ssize_t length = read(changes, events.data(), events.size());
        close(changes);
        CPPUNIT_ASSERT(length > 0);
        for (ssize_t at = 0; at < length;) {
            const auto* const event = reinterpret_cast<const inotify_event*>(events.data() + at);
            CPPUNIT_ASSERT_EQUAL(std::string(temporaryName), std::string(event->name));
            at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
        }
    }

    TEST(followsItsPath)
    {
        _file.write("nowhere\n");
        _file.moveTo(_path);
        _file.write("one\n");
        _file.moveTo(_path);
        expectTextAndNothingBeside("one\n");
        _file.moveTo(_nextPath);
        CPPUNIT_ASSERT(!fs::exists(_path));
        _file.write("two\n");
        CPPUNIT_ASSERT_EQUAL(std::string("two\n"), _directory.read("next.prom"));
        CPPUNIT_ASSERT(!fs::exists(_path));
        _file.moveTo({});
        _file.write("three\n");
        CPPUNIT_ASSERT(fs::is_empty(_directory.path()));
        expectLog({});
    }

    TEST(logsAFailureOnceAndWhenTheReasonChangesAndItsEnd)
    {
        const fs::path folder = _directory.path() / "none";
        const std::string advice = "make the directory, or give MetricsFile another one";
        const auto writeTwice = [this] {
            _file.write("one\n");
            _file.write("two\n");
        };
        _file.moveTo(folder / "m.prom");
        writeTwice();
        _directory.write("none", "no directory");
        writeTwice();
        // Another path is another failure.
        _file.moveTo(folder / "n.prom");
        writeTwice();
        fs::remove(folder);
        fs::create_directory(folder);
        writeTwice();
        expectLog({notWritten(folder / "m.prom", "No such file or directory", advice),
                   notWritten(folder / "m.prom", "Not a directory", advice),
                   notWritten(folder / "n.prom", "Not a directory", advice),
                   "information: metrics file is written again path=" + (folder / "n.prom").string()});
    }

    TEST(logsWhatItsUserMayNotDo)
    {
        const std::string advice =
            "let slurmctld's user write to the directory, or give MetricsFile another one";
        _file.moveTo(_path);
        _file.write("one\n");
        fs::permissions(_directory.path(), fs::perms(0755));
        // The thread has no more rights to files than the user nobody.
        setfsuid(65534);
        _file.moveTo(_nextPath);
        _file.write("two\n");
        _file.moveTo({}); // a file that was never written does not have to be removed
        setfsuid(getuid());
        expectLog({"error: metrics file cannot be removed" + failure(_path, "Permission denied", advice),
                   notWritten(_nextPath, "Permission denied", advice)});
        expectTextAndNothingBeside("one\n");
    }

    TEST(keepsTheOldTextWhenTheNextCannotBeWritten)
    {
        _file.moveTo(_path);
        _file.write("one\n");
        auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
        rlimit limit{};
        getrlimit(RLIMIT_FSIZE, &limit);
        const rlimit sevenBytes{7, limit.rlim_max};
        setrlimit(RLIMIT_FSIZE, &sevenBytes);
        _file.write("longer than seven bytes\n");
        setrlimit(RLIMIT_FSIZE, &limit);
        std::signal(SIGXFSZ, handler);
        expectTextAndNothingBeside("one\n");
        expectLog({notWritten(_path, "File too large",
                              "raise slurmctld's limit for the size of a file (LimitFSIZE)")});
    }

    TEST(leavesADirectoryInItsPlace)
    {
        fs::create_directory(_path);
        _file.moveTo(_path);
        _file.write("one\n");
        CPPUNIT_ASSERT(!fs::exists(_directory.path() / temporaryName));
        _file.moveTo({});
        CPPUNIT_ASSERT(fs::is_directory(_path));
        expectLog({notWritten(_path, "Is a directory", directoryAdvice)});
    }

    TEST(removesOnlyWhatItHasWritten)
    {
        // Before its first write, and when somebody else has written the file, at its place or in it.
        _directory.write(name, "of somebody else\n");
        _file.moveTo(_path);
        _file.moveTo({});
        expectTextAndNothingBeside("of somebody else\n");
        _file.moveTo(_path);
        _file.write("one\n");
        fs::rename(_directory.write("other", "of somebody else\n"), _path);
        _file.moveTo({});
        expectTextAndNothingBeside("of somebody else\n");
        _file.moveTo(_path);
        _file.write("one\n");
        _directory.write(name, "written over\n");
        _file.moveTo({});
        expectTextAndNothingBeside("written over\n");
        // Nor a second time.
        _file.moveTo(_path);
        expectLog({});
    }

    TEST(writesThroughNothingInThePlaceOfTheTemporary)
    {
        const TemporaryDirectory elsewhere;
        const fs::path victim = elsewhere.write("victim", "of somebody else");
        const fs::path temporary = _directory.path() / temporaryName;
        _file.moveTo(_path);
        const auto expectWritten = [&](const std::string& text) {
            _file.write(text);
            expectTextAndNothingBeside(text);
            CPPUNIT_ASSERT_EQUAL(std::string("of somebody else"), elsewhere.read("victim"));
        };
        fs::create_hard_link(victim, temporary);
        expectWritten("one\n");
        fs::create_symlink(victim, temporary);
        expectWritten("two\n");
        // Opened for writing, it would wait for a reader.
        CPPUNIT_ASSERT_EQUAL(0, mkfifo(temporary.c_str(), 0644));
        expectWritten("three\n");
        expectLog({});
        // A folder cannot be removed.
        fs::create_directory(temporary);
        _file.write("four\n");
        expectLog({notWritten(_path, "Is a directory", directoryAdvice)});
        fs::remove(temporary);
        _file.write("five\n");
        // What is short is no fault of the disk.
        rlimit limit{};
        getrlimit(RLIMIT_NOFILE, &limit);
        const rlimit none{0, limit.rlim_max};
        setrlimit(RLIMIT_NOFILE, &none);
        _file.write("six\n");
        setrlimit(RLIMIT_NOFILE, &limit);
        CPPUNIT_ASSERT_EQUAL(
            notWritten(_path, "Too many open files",
                       "slurmctld is short of memory or of file descriptors; see its limits (LimitNOFILE)"),
            _log.lines().back());
    }

    static constexpr const char* directoryAdvice =
        "a directory has this path, or this path with .tmp; give MetricsFile the path of a file";
    static constexpr const char* name = "hang_detector.prom";
    static constexpr const char* temporaryName = "hang_detector.prom.tmp";

    static std::string longText(char c)
    /// Longer than a page, and of another length for each character.
    {
        return std::string(20000 + static_cast<std::size_t>(c) * 10, c) + '\n';
    }

    static std::string failure(const fs::path& path, const std::string& error, const std::string& advice)
    {
        return " path=" + path.string() + " error=\"" + error + "\" advice=\"" + advice + '"';
    }

    static std::string notWritten(const fs::path& path, const std::string& error, const std::string& advice)
    {
        return "error: metrics file cannot be written" + failure(path, error, advice);
    }

    void expectTextAndNothingBeside(const std::string& text) const
    {
        CPPUNIT_ASSERT_EQUAL(text, _directory.read(name));
        CPPUNIT_ASSERT_EQUAL(std::ptrdiff_t{1}, std::distance(fs::directory_iterator(_directory.path()), {}));
    }

    void expectLog(const std::vector<std::string>& lines) const { CPPUNIT_ASSERT_EQUAL(lines, _log.lines()); }

    const TemporaryDirectory _directory;
    const fs::path _path = _directory.path() / name;
    const fs::path _nextPath = _directory.path() / "next.prom";
    RecordingLogger _log;
    MetricsFile _file{_log.logger()};
};

} // namespace HangDetection::Test
