#include "Printing.h"
#include "Suite.h"
#include "TemporaryDirectory.h"
#include "TerminalProcess.h"
#include "Texts.h"

#include <Poco/String.h>

#include <chrono>
#include <regex>

namespace HangDetection::Test {

class PicturesTest : public CppUnit::TestFixture
/// The pictures are no older than what they show. packaging/pictures/make makes them again.
{
    TEST_SUITE(PicturesTest);

    TEST(demoIsThatOfTheProgram)
    {
        const TemporaryDirectory directory;
        // Root's temporary directory has to be open for the server's own user.
        std::filesystem::permissions(directory.path(), std::filesystem::perms::all);
        TerminalProcess demo(
            {"env", "TMPDIR=" + directory.path().string(), "TERM=xterm", SIMULATOR, "--demo"}, 110, 60);
        const auto status = demo.readToEnd(std::chrono::seconds(60));
        const std::string screen = demo.screen().text();
        CPPUNIT_ASSERT_EQUAL_MESSAGE(screen, 0, status.value_or(-1));

        const auto table = screen.rfind("\njob  ") + 1;
        const auto lastLine = screen.find("\nevery effect is there", table) + 1;
        const auto end = screen.find('\n', lastLine) + 1;
        CPPUNIT_ASSERT_EQUAL(lasting(screen.substr(table, end - table)), lasting(textOfPicture("demo.svg")));
    }

    static std::string lasting(const std::string& text)
    /// Without what differs from run to run: ids, times, and the blanks beside them.
    {
        const std::regex volatilePart(
            R"((^|\n)[0-9a-f]{8}(?= )|[0-9]+[hm] [0-9]{2}[ms]|[0-9.]+ seconds| +(?=\n))");
        const std::string kept = std::regex_replace(text, volatilePart, "$1");
        return std::regex_replace(kept, std::regex(" +"), " ");
    }

    TEST(plotsAreThoseOfTheBenchmark)
    /// Titles, and names of axes.
    {
        const std::string source = textOf(PROJECT_SOURCE_DIR "/tests/benchmark/DetectorBenchmark.cpp");
        // As in Plot _one{"title", "x", "y"}; and _one.writeSvg(directory / "file");
        const std::regex plot("Plot (\\w+)[{]\"([^\"]*)\",\\s*\"([^\"]*)\",\\s*\"([^\"]*)\"[}]");
        int plots = 0;
        for (std::sregex_iterator found(source.begin(), source.end(), plot), end; found != end; ++found) {
            std::smatch file;
            CPPUNIT_ASSERT_MESSAGE(
                found->str(1),
                std::regex_search(source, file, std::regex(found->str(1) + "[.]writeSvg[^\"]*\"([^\"]*)\"")));
            const std::string picture = '\n' + textOfPicture(file.str(1));
            for (const int group : {2, 3, 4})
                assertContains('\n' + found->str(group) + '\n', picture);
            ++plots;
        }
        CPPUNIT_ASSERT_EQUAL(2, plots);
    }

    TEST(dashboardIsThatForGrafana)
    /// Titles of its panels.
    {
        const auto titles = [](const std::string& file, const std::regex& title) {
            const std::string text = textOf(PROJECT_SOURCE_DIR "/packaging/" + file);
            const std::sregex_token_iterator found(text.begin(), text.end(), title, 1);
            return std::vector<std::string>(found, {});
        };
        const auto panels =
            titles("monitoring/hang-detector.json", std::regex("\n {6}\"title\": \"([^\"]*)"));
        CPPUNIT_ASSERT(!panels.empty());
        CPPUNIT_ASSERT_EQUAL(panels, titles("pictures/dashboard.svg", std::regex(" class='title'>([^<]*)")));
    }

    static std::string textOfPicture(const std::string& name)
    /// One line for each of its texts.
    {
        const std::string picture = textOf(PROJECT_SOURCE_DIR "/packaging/pictures/" + name);
        const std::regex element("<text[^>]*>(.*)</text>");
        std::string text;
        for (std::sregex_iterator found(picture.begin(), picture.end(), element), end; found != end; ++found)
            text += std::regex_replace(found->str(1), std::regex("<[^>]*>"), "") + '\n';
        for (const auto& [entity, character] :
             {std::pair("&lt;", "<"), std::pair("&gt;", ">"), std::pair("&amp;", "&")})
            Poco::replaceInPlace(text, std::string(entity), std::string(character));
        return text;
    }
};

} // namespace HangDetection::Test
