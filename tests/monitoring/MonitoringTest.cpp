#include "Command.h"
#include "MetricsText.h"
#include "Printing.h"
#include "TemporaryDirectory.h"
#include "notification/Metrics.h"

#include <Poco/JSON/Array.h>
#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>
#include <Poco/String.h>
#include <cppunit/TestFixture.h>
#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <regex>
#include <stdexcept>
#include <string>
#include <vector>

namespace HangDetection::Test {

namespace {

std::string textOf(const std::string& file)
{
    std::ifstream stream(file, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(stream), {}};
    if (text.empty())
        throw std::runtime_error(file + ": cannot be read");
    return text;
}

std::vector<std::string> metricsIn(const std::string& text)
/// Each name once, in their order.
{
    static const std::regex name("hangdetector_[a-z_]+");
    std::vector<std::string> names;
    for (std::sregex_iterator found(text.begin(), text.end(), name), end; found != end; ++found)
        names.push_back(found->str());
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return names;
}

std::string textAfterARun(const std::string& cluster = "test")
{
    RunStatistics run;
    run.hasSearched = true;
    run.jobs.pending = 0;
    Metrics metrics(cluster);
    metrics.add(RunFinished(run), std::chrono::system_clock::now());
    return metrics.text();
}

} // namespace

class MonitoringTest : public CppUnit::TestFixture
/// What is there for Prometheus and Grafana fits what the plugin writes, and them.
{
    CPPUNIT_TEST_SUITE(MonitoringTest);
    CPPUNIT_TEST(prometheusIsContentWithTheMetrics);
    CPPUNIT_TEST(prometheusIsContentWithTheRules);
    CPPUNIT_TEST(theRulesUseWhatIsWritten);
    CPPUNIT_TEST(theDashboardUsesWhatIsWritten);
    CPPUNIT_TEST(theDashboardLeavesTheDataSourceToWhoLooks);
    CPPUNIT_TEST(prometheusUnderstandsTheDashboard);
    CPPUNIT_TEST(theDashboardTellsClustersApart);
    CPPUNIT_TEST(theLegendsNameTheCluster);
    CPPUNIT_TEST(theReadmeHasEachMetricAndAlert);
    CPPUNIT_TEST(theManualPageHasEachMetricAndAlert);
    CPPUNIT_TEST_SUITE_END();

    void prometheusIsContentWithTheMetrics()
    {
        for (const std::string& text : {Metrics("test").text(), Metrics("").text(), textAfterARun()}) {
            const auto file = _directory.write("m.prom", text);
            // It reads from its input alone.
            assertSucceeds({"sh", "-c", R"("$0" check metrics <"$1")", PROMTOOL, file.string()}, text);
        }
    }

    void prometheusIsContentWithTheRules() { assertSucceeds({PROMTOOL, "check", "rules", RULES}, RULES); }

    void theRulesUseWhatIsWritten() { assertAreWritten(metricsIn(textOf(RULES))); }

    void theDashboardUsesWhatIsWritten() { assertAreWritten(metricsIn(textOf(DASHBOARD))); }

    void theDashboardLeavesTheDataSourceToWhoLooks()
    {
        for (const auto& panel : panels())
            CPPUNIT_ASSERT_EQUAL(std::string("${datasource}"),
                                 panel->getObject("datasource")->getValue<std::string>("uid"));
        for (const auto& target : targets())
            CPPUNIT_ASSERT_EQUAL(std::string("${datasource}"),
                                 target->getObject("datasource")->getValue<std::string>("uid"));
    }

    void prometheusUnderstandsTheDashboard()
    {
        std::string rules = "groups:\n- name: dashboard\n  rules:\n";
        for (const auto& target : targets()) {
            const std::string expression = expressionOf(*target, ".*");
            const std::string record = "panel" + std::to_string(std::count(rules.begin(), rules.end(), '\n'));
            rules += "  - {record: " + record + ", expr: '" + expression + "'}\n";
        }
        const auto file = _directory.write("dashboard.yml", rules);
        assertSucceeds({PROMTOOL, "check", "rules", file.string()}, rules);
    }

    void theDashboardTellsClustersApart()
    /// And shows one of two when that is chosen.
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
        }
        const auto file = _directory.write("clusters.yml", tests);
        assertSucceeds({PROMTOOL, "test", "rules", file.string()}, tests);
    }

    void theLegendsNameTheCluster()
    {
        for (const auto& target : targets()) {
            const auto legend = target->getValue<std::string>("legendFormat");
            CPPUNIT_ASSERT_MESSAGE(legend, target->optValue<std::string>("format", "") == "table" ||
                                               legend.starts_with("{{cluster}} "));
        }
    }

    void theReadmeHasEachMetricAndAlert()
    {
        const std::string readme = textOf(README);
        for (const std::string& metric : metricsIn(textAfterARun())) {
            const std::string name = metric.substr(std::string("hangdetector_").size());
            CPPUNIT_ASSERT_MESSAGE(name, readme.find("\n| " + name) != std::string::npos);
        }
        for (const std::string& name : alerts())
            CPPUNIT_ASSERT_MESSAGE(name, readme.find("\n| " + name + " |") != std::string::npos);
    }

    void theManualPageHasEachMetricAndAlert()
    {
        const std::string page = textOf(MANUAL_PAGE);
        CPPUNIT_ASSERT_EQUAL(metricsIn(textAfterARun()), metricsIn(page));
        for (const std::string& name : alerts())
            CPPUNIT_ASSERT_MESSAGE(name, page.find("\n.It Li " + name + '\n') != std::string::npos);
    }

    static std::vector<std::string> alerts()
    {
        const std::string rules = textOf(RULES);
        const std::regex alert("alert: (\\w+)");
        std::vector<std::string> names;
        for (std::sregex_iterator found(rules.begin(), rules.end(), alert), end; found != end; ++found)
            names.push_back((*found)[1]);
        return names;
    }

    static void assertSucceeds(const Sim::CommandLine& command, const std::string& about)
    {
        const Sim::CommandResult result = Sim::runCommand(command);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(result.output + about, 0, result.exitStatus);
    }

    static void assertAreWritten(const std::vector<std::string>& used)
    {
        CPPUNIT_ASSERT(!used.empty());
        const std::vector<std::string> written = metricsIn(textAfterARun());
        std::vector<std::string> unknown;
        std::set_difference(used.begin(), used.end(), written.begin(), written.end(),
                            std::back_inserter(unknown));
        CPPUNIT_ASSERT_EQUAL(std::vector<std::string>(), unknown);
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

CPPUNIT_TEST_SUITE_REGISTRATION(MonitoringTest);

} // namespace HangDetection::Test
