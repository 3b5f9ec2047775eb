#include "Command.h"
#include "MetricsText.h"
#include "Printing.h"
#include "RecordingLogger.h"
#include "Suite.h"
#include "TemporaryDirectory.h"
#include "Texts.h"
#include "notification/Metrics.h"

#include <Poco/JSON/Array.h>
#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>

#include <regex>
#include <set>

namespace HangDetection::Test {

namespace {

std::vector<std::string> namesIn(const std::string& text, const std::string& pattern)
/// What the group of the pattern matches: each name once, in their order.
{
    const std::regex regex(pattern);
    const std::set<std::string> names(std::sregex_token_iterator(text.begin(), text.end(), regex, 1), {});
    return {names.begin(), names.end()};
}

std::vector<std::string> metricsIn(const std::string& text)
{
    return namesIn(text, "hangdetector_([a-z_]+)");
}

std::vector<std::string> alerts()
{
    return namesIn(textOf(RULES), "alert: (\\w+)");
}

std::string metricsText(const std::string& cluster, bool isAfterARun)
{
    Poco::NotificationCenter notifications;
    RecordingLogger log;
    const Metrics metrics(notifications, log.logger(), cluster);
    RunStatistics run;
    run.hasSearched = true;
    run.jobs.pending = 0;
    run.jobs.stalled = 0;
    run.leftover = 0;
    run.withoutAllocation = 0;
    if (isAfterARun)
        notifications.postNotification(new RunFinished(run));
    return metrics.text();
}

std::string textAfterARun(const std::string& cluster = "test")
{
    return metricsText(cluster, true);
}

} // namespace

class MonitoringTest : public CppUnit::TestFixture
/// What is there for Prometheus and Grafana fits what the plugin writes, and them.
{
    TEST_SUITE(MonitoringTest);

    TEST(prometheusIsContentWithTheMetrics)
    {
        for (const std::string& text :
             {metricsText("test", false), metricsText("", false), textAfterARun()}) {
            const auto file = _directory.write("m.prom", text);
            // It reads from its input alone.
            assertSucceeds({"sh", "-c", R"("$0" check metrics <"$1")", PROMTOOL, file.string()}, text);
        }
    }

    TEST(rulesAndDashboardUseWhatIsWritten)
    {
        const std::vector<std::string> written = metricsIn(textAfterARun());
        for (const char* const file : {RULES, DASHBOARD}) {
            const std::vector<std::string> used = metricsIn(textOf(file));
            CPPUNIT_ASSERT_MESSAGE(file, !used.empty());
            for (const std::string& name : used)
                CPPUNIT_ASSERT_MESSAGE(name + " in " + file,
                                       std::binary_search(written.begin(), written.end(), name));
        }
    }

    TEST(theDashboardLeavesTheDataSourceToTheViewer)
    {
        for (const auto& objects : {panels(), targets()}) {
            for (const auto& object : objects)
                CPPUNIT_ASSERT_EQUAL(std::string("${datasource}"),
                                     object->getObject("datasource")->getValue<std::string>("uid"));
        }
    }

    TEST(theDashboardTellsClustersApart)
    /// Shows one of two when that is chosen, and names the cluster in each legend.
    {
        std::string tests = "evaluation_interval: 1m\ntests:\n- interval: 1m\n  input_series:\n";
        for (const char* const cluster : {"alpha", "beta"}) {
            for (const std::string& series : seriesIn(textAfterARun(cluster)))
                tests += "  - {series: '" + series + "', values: '0+1x10'}\n";
        }
        tests += "  promql_expr_test:\n";
        const auto expect = [&tests](const std::string& expression, const std::string& samples) {
            tests += "  - {expr: 'group by (cluster) (" + expression + ")', eval_time: 9m, exp_samples: [" +
                     samples + "]}\n";
        };
        const std::string alpha = R"({labels: '{cluster="alpha"}', value: 1})";
        const std::string beta = R"({labels: '{cluster="beta"}', value: 1})";
        for (const auto& target : targets()) {
            expect(expressionOf(*target, ".*"), alpha + ", " + beta);
            expect(expressionOf(*target, "beta"), beta);

            const auto legend = target->getValue<std::string>("legendFormat");
            CPPUNIT_ASSERT_MESSAGE(legend, target->optValue<std::string>("format", "") == "table" ||
                                               legend.starts_with("{{cluster}} "));
        }
        const auto file = _directory.write("clusters.yml", tests);
        assertSucceeds({PROMTOOL, "test", "rules", file.string()}, tests);
    }

    TEST(theManualPageHasEachMetricAndAlert)
    {
        const std::string page = textOf(MANUAL_PAGE);
        CPPUNIT_ASSERT_EQUAL(metricsIn(textAfterARun()), namesIn(page, "\n[.]It Li hangdetector_([a-z_]+)"));
        CPPUNIT_ASSERT_EQUAL(alerts(), namesIn(page, "\n[.]It Li (HangDetector\\w+)\n"));
    }

    TEST(theReadmeNamesMetricsAndAlertsThatThereAre)
    {
        const std::string readme = textOf(README);
        assertAreAmong(metricsIn(textAfterARun()), metricsIn(readme));
        assertAreAmong(alerts(), namesIn(readme, "\\b(HangDetector[A-Z]\\w+)"));
    }

    static void assertAreAmong(const std::vector<std::string>& all, const std::vector<std::string>& some)
    {
        CPPUNIT_ASSERT(!some.empty());
        for (const std::string& name : some)
            CPPUNIT_ASSERT_MESSAGE(name, std::ranges::binary_search(all, name));
    }

    static void assertSucceeds(const Sim::CommandLine& command, const std::string& about)
    {
        const Sim::CommandResult result = Sim::runCommand(command);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(result.output + about, 0, result.exitStatus);
    }

    static std::vector<Poco::JSON::Object::Ptr> objectsIn(const Poco::JSON::Object& object,
                                                          const std::string& key)
    {
        const Poco::JSON::Array::Ptr list = object.getArray(key);
        CPPUNIT_ASSERT_MESSAGE(key, !list.isNull() && list->size() > 0);
        std::vector<Poco::JSON::Object::Ptr> objects;
        for (unsigned i = 0; i < list->size(); ++i)
            objects.push_back(list->getObject(i));
        return objects;
    }

    static std::vector<Poco::JSON::Object::Ptr> panels()
    {
        Poco::JSON::Parser parser;
        return objectsIn(*parser.parse(textOf(DASHBOARD)).extract<Poco::JSON::Object::Ptr>(), "panels");
    }

    static std::string expressionOf(const Poco::JSON::Object& target, const std::string& cluster)
    /// As Grafana asks it, when this cluster is chosen.
    {
        auto expression = target.getValue<std::string>("expr");
        Poco::replaceInPlace(expression, std::string("$__rate_interval"), std::string("5m"));
        Poco::replaceInPlace(expression, std::string("$cluster"), cluster);
        Poco::replaceInPlace(expression, std::string("$instance"), std::string(".*"));
        return expression;
    }

    static std::vector<Poco::JSON::Object::Ptr> targets()
    {
        std::vector<Poco::JSON::Object::Ptr> all;
        for (const auto& panel : panels()) {
            const auto some = objectsIn(*panel, "targets");
            all.insert(all.end(), some.begin(), some.end());
        }
        return all;
    }

    const TemporaryDirectory _directory;
};

} // namespace HangDetection::Test
