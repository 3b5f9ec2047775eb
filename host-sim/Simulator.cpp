// hang-detector-sim: loads the plugin as slurmctld does, and shows what it does.

#include "Demo.h"
#include "HostLog.h"
#include "Interruption.h"
#include "PluginHost.h"
#include "Screen.h"
#include "Settings.h"
#include "SettingsFile.h"
#include "SetupCheck.h"
#include "slurm/SlurmConf.h"

#include <Poco/AutoPtr.h>
#include <Poco/DateTimeFormatter.h>
#include <Poco/LocalDateTime.h>
#include <Poco/Util/Application.h>
#include <Poco/Util/HelpFormatter.h>
#include <Poco/Util/IntValidator.h>
#include <Poco/Util/Option.h>
#include <Poco/Util/OptionException.h>
#include <Poco/Util/OptionSet.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <vector>

namespace HangDetection::Sim {

namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;

/// Time between two submitted jobs.
constexpr std::chrono::milliseconds submitInterval{100};

constexpr int exitUsage = 2;
constexpr int exitInterrupted = 130;

fs::path builtPluginDirectory()
/// lib beside bin in a build folder; Slurm's plugin directory once installed.
{
    const fs::path built = fs::read_symlink("/proc/self/exe").parent_path().parent_path() / "lib";
    return fs::exists(built / "job_submit_hang_detector.so") ? built : fs::path(SLURM_PLUGIN_DIR);
}

} // namespace

class Simulator : public Poco::Util::Application
{
protected:
    void defineOptions(Poco::Util::OptionSet& options) override
    {
        using Poco::Util::Option;
        Application::defineOptions(options);
        const auto flag = [&](const char* name, const char* description) {
            options.addOption(Option(name, "", description).binding(name));
        };
        const auto value = [&](const char* name, const char* argument, const char* description) {
            return Option(name, "", description).argument(argument).binding(name);
        };
        const auto number = [&](const char* name, const char* argument, const char* description) {
            return value(name, argument, description)
                .validator(new Poco::Util::IntValidator(1, std::numeric_limits<int>::max()));
        };
        flag("check",
             "look at slurm.conf, the plugin, the settings and the database as slurmctld would, change "
             "nothing, and say what is wrong; exit status 1 if there is a problem");
        options.addOption(value("settings", "FILE", "with --check: this hang_detector.conf"));
        flag("json", "with --check: for programs");
        flag("demo", "show the plugin at work on a database of its own; needs nothing else");
        flag("keep", "with --demo: leave the database running at the end");
        options.addOption(value("slurm-conf", "FILE",
                                "load the plugin that this slurm.conf names (PluginDir, JobSubmitPlugins, "
                                "SlurmctldParameters); runs until --runs, --duration or Ctrl-C ends it; with "
                                "--check: in place of the one that slurmctld finds"));
        options.addOption(
            number("runs", "N",
                   "unload the plugin after it has reported N runs; exit status 1 if one of them "
                   "ended with an error, or if there were fewer"));
        options.addOption(number("duration", "SECONDS", "unload the plugin after this time"));
        options.addOption(
            number("load-cycles", "N", "load, initialise, finalise and close the plugin N times"));
        flag("exit-without-fini", "end by exit() with the plugin running, as slurmctld does");
        flag("verbose", "print the plugin's log with its debug lines");
        options.addOption(Option("help", "h", "print this"));
        flag("version", "print the version, and the Slurm release that it simulates");
    }

    void handleOption(const std::string& name, const std::string& value) override
    {
        Application::handleOption(name, value);
        _given.push_back(name);
        if (name == "help" || name == "version")
            stopOptionsProcessing();
    }

    int main(const std::vector<std::string>& arguments) override
    {
        if (isGiven("help"))
            return printHelp();
        if (isGiven("version")) {
            std::cout << "hang-detector-sim " HANG_DETECTOR_VERSION " (Slurm " << slurmVersion() << ")\n";
            return EXIT_OK;
        }
        try {
            checkUsage(arguments);
        } catch (const UsageError& error) {
            std::cerr << "hang-detector-sim: " << error.what() << "; see hang-detector-sim --help\n";
            return exitUsage;
        }
        try {
            if (isGiven("check"))
                return runCheck();
            catchInterruption();
            return isGiven("demo") ? runDemo() : runWithSlurmConf();
        } catch (const std::exception& exception) {
            std::cerr << "hang-detector-sim: " << exception.what() << '\n';
            return 1;
        }
    }

private:
    class UsageError : public std::runtime_error
    {
    public:
        using std::runtime_error::runtime_error;
    };

    bool isGiven(const std::string& option) const
    {
        return std::ranges::find(_given, option) != _given.end();
    }

    void checkUsage(const std::vector<std::string>& arguments) const
    {
        if (!arguments.empty())
            throw UsageError("unexpected argument " + arguments.front());
        if (isGiven("check")) {
            for (const char* const option : {"slurm-conf", "settings"}) {
                if (isGiven(option) && config().getString(option).empty())
                    throw UsageError(std::string("--") + option + " needs the path of a file");
            }
            for (const std::string& option : _given) {
                if (option != "check" && option != "slurm-conf" && option != "settings" && option != "json")
                    throw UsageError("--" + option + " does not go with --check");
            }
            return;
        }
        for (const char* const option : {"settings", "json"}) {
            if (isGiven(option))
                throw UsageError(std::string("--") + option + " goes with --check");
        }
        if (isGiven("demo") == isGiven("slurm-conf"))
            throw UsageError("either --check, --demo or --slurm-conf FILE is needed");
        for (const char* const option : {"runs", "duration", "load-cycles", "exit-without-fini"}) {
            if (isGiven("demo") && isGiven(option))
                throw UsageError(std::string("--") + option + " goes with --slurm-conf");
        }
        if (isGiven("keep") && !isGiven("demo"))
            throw UsageError("--keep goes with --demo");
        for (const char* const option : {"runs", "duration", "exit-without-fini"}) {
            if (isGiven("load-cycles") && isGiven(option))
                throw UsageError(std::string("--") + option + " does not go with --load-cycles");
        }
    }

    int printHelp() const
    {
        Poco::Util::HelpFormatter help(options());
        help.setCommand("hang-detector-sim");
        help.setUsage("--check | --demo | --slurm-conf FILE  [options]");
        help.setHeader("Loads the hang detector as slurmctld does, and shows what it does.");
        help.setWidth(80);
        help.format(std::cout);
        return EXIT_OK;
    }

    int runCheck() const
    {
        const auto file = [&](const char* option) {
            return isGiven(option) ? std::optional(fs::absolute(config().getString(option))) : std::nullopt;
        };
        SetupReport report(isGiven("json") ? SetupReport::Form::json : SetupReport::Form::lines);
        return SetupCheck({file("slurm-conf"), file("settings")}, report).run() ? int(EXIT_OK) : 1;
    }

    int runDemo()
    {
        Screen screen;
        Demo demo({.pluginDirectory = builtPluginDirectory(),
                   .isVerbose = isGiven("verbose"),
                   .keepsServer = isGiven("keep")},
                  screen);
        switch (demo.run()) {
        case Demo::Outcome::complete:
            return EXIT_OK;
        case Demo::Outcome::interrupted:
            return exitInterrupted;
        case Demo::Outcome::incomplete:
            break;
        }
        return 1;
    }

    int runWithSlurmConf()
    {
        HostLog log([this](LogLevel level, const std::string& line) { printLog(level, line); });
        const fs::path slurmConf = config().getString("slurm-conf");
        if (isGiven("load-cycles"))
            return runLoadCycles(slurmConf);

        const int status = runPlugin(slurmConf, log);
        // No return: the plugin's thread runs until the exit, and needs the log.
        std::exit(status); // NOLINT(concurrency-mt-unsafe): the plugin's thread is meant to run on
    }

    static void sayWhatItIs(const fs::path& slurmConf)
    /// Before the first run. Errors in the files are left to the plugin.
    try {
        const SlurmConf conf = SlurmConf::read(slurmConf);
        const std::string user = conf.find("SlurmUser").value_or("root");
        if (geteuid() == 0 && user != "root")
            std::cerr
                << "hang-detector-sim: warning: this is root, but slurmctld connects and reads its files as "
                << user << ": use sudo -u " << user << '\n';
        const Settings settings = Settings::read(conf.settingsFile());
        if (!settings.dryRun)
            std::cerr << "hang-detector-sim: this is no dry run: it terminates hung jobs in "
                      << settings.connection.database()
                      << "; with DryRun=yes in hang_detector.conf it only logs\n";
    } catch (const SettingsError&) {
    }

    int runPlugin(const fs::path& slurmConf, HostLog& log)
    {
        sayWhatItIs(slurmConf);
        PluginHost plugin = PluginHost::fromSlurmConf(slurmConf);
        const int runs = isGiven("runs") ? config().getInt("runs") : std::numeric_limits<int>::max();
        const bool isComplete = serve(plugin, log, runs) || !isGiven("runs");
        if (isGiven("exit-without-fini"))
            plugin.abandon();
        if (!isComplete)
            std::cerr << "hang-detector-sim: the plugin has reported " << log.runs() << " of " << runs
                      << " runs\n";
        return isComplete && (!isGiven("runs") || log.failedRuns() == 0) ? int(EXIT_OK) : 1;
    }

    bool serve(PluginHost& plugin, HostLog& log, int runs)
    /// Calls the plugin as slurmctld does until it has reported this many runs. False when the duration or a
    /// signal ended that before.
    {
        const auto end = isGiven("duration")
                             ? Clock::now() + std::chrono::seconds(config().getInt("duration"))
                             : Clock::time_point::max();
        while (!log.waitForRuns(runs, submitInterval)) {
            if (Clock::now() >= end || isInterrupted())
                return false;
            submitJob(plugin);
        }
        return true;
    }

    static void submitJob(PluginHost& plugin)
    {
        if (const auto refusal = plugin.submitJob())
            throw PluginError("the plugin refused a job: " + *refusal);
    }

    int runLoadCycles(const fs::path& slurmConf)
    {
        const int cycles = config().getInt("load-cycles");
        for (int done = 0; done < cycles; ++done) {
            if (isInterrupted()) {
                std::cout << "interrupted after " << done << " of " << cycles << " load cycles\n";
                return exitInterrupted;
            }
            PluginHost plugin = PluginHost::fromSlurmConf(slurmConf);
            submitJob(plugin);
        }
        std::cout << cycles << " load cycles\n";
        return EXIT_OK;
    }

    void printLog(LogLevel level, const std::string& line) const
    {
        const bool isDebug = level == LogLevel::debug || level == LogLevel::verbose;
        if (isDebug && !isGiven("verbose"))
            return;
        const std::string prefix = level == LogLevel::error ? "error: " : isDebug ? "debug:  " : "";
        std::cout << Poco::DateTimeFormatter::format(Poco::LocalDateTime(), "[%Y-%m-%dT%H:%M:%S.%i] ")
                  << prefix << line << '\n'
                  << std::flush;
    }

    std::vector<std::string> _given;
};

} // namespace HangDetection::Sim

int main(int argc, char** argv)
{
    Poco::AutoPtr<HangDetection::Sim::Simulator> simulator = new HangDetection::Sim::Simulator;
    try {
        simulator->init(argc, argv);
    } catch (const Poco::Util::OptionException& exception) {
        std::cerr << "hang-detector-sim: " << exception.displayText() << "; see hang-detector-sim --help\n";
        return HangDetection::Sim::exitUsage;
    } catch (const Poco::Exception& exception) {
        // Such as a working directory that was removed.
        std::cerr << "hang-detector-sim: " << exception.displayText() << '\n';
        return 1;
    }
    return simulator->run();
}
