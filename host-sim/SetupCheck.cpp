#include "SetupCheck.h"

#include "Command.h"
#include "DatabaseCheck.h"
#include "PluginHost.h"
#include "SettingsFile.h"
#include "data/DatabaseError.h"
#include "data/Surroundings.h"
#include "libpq/ConnectionText.h"
#include "libpq/Errors.h"
#include "libpq/Passfile.h"

#include <Poco/Environment.h>
#include <Poco/Format.h>
#include <Poco/Path.h>
#include <Poco/StringTokenizer.h>

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <regex>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

namespace HangDetection::Sim {

namespace fs = std::filesystem;

namespace {

std::string nameOfUser(uid_t number)
{
    const passwd* const entry = getpwuid(number); // NOLINT(concurrency-mt-unsafe): one thread
    return entry == nullptr ? std::to_string(number) : entry->pw_name;
}

std::string nameOfGroup(gid_t number)
{
    const group* const entry = getgrgid(number); // NOLINT(concurrency-mt-unsafe): one thread
    return entry == nullptr ? std::to_string(number) : entry->gr_name;
}

std::string withOwner(const fs::path& file)
/// As "/etc/slurm/hang_detector.conf, root:slurm 0640".
{
    struct stat status = {};
    if (stat(file.c_str(), &status) != 0)
        return file.string();
    return file.string() + ", " + nameOfUser(status.st_uid) + ':' + nameOfGroup(status.st_gid) +
           Poco::format(" %04o", status.st_mode & 07777U);
}

void forgetShell()
/// What the shell of the operator has in its environment is not in that of slurmctld. Only the two variables
/// that say where service files are may be meant for it.
{
    std::vector<std::string> names;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string text = *entry;
        const std::string name = text.substr(0, text.find('='));
        if (name.starts_with("PG") && name != "PGSERVICEFILE" && name != "PGSYSCONFDIR")
            names.push_back(name);
    }
    for (const std::string& name : names)
        unsetenv(name.c_str()); // NOLINT(concurrency-mt-unsafe): one thread
}

const passwd* userOf(const std::string& nameOrNumber)
/// As slurmctld reads SlurmUser.
{
    const passwd* const named = getpwnam(nameOrNumber.c_str()); // NOLINT(concurrency-mt-unsafe): one thread
    const auto number = Libpq::numberIn(nameOrNumber);
    if (named != nullptr || !number || *number < 0)
        return named;
    return getpwuid(static_cast<uid_t>(*number)); // NOLINT(concurrency-mt-unsafe): one thread
}

std::optional<fs::path> slurmctldOf(const SlurmConf& conf)
/// Of a Slurm with a prefix of its own, whose plugins are in PREFIX/lib/slurm; otherwise the one of the
/// system.
{
    std::string folders;
    const Poco::StringTokenizer plugins(conf.find("PluginDir").value_or(SLURM_PLUGIN_DIR), ":",
                                        Poco::StringTokenizer::TOK_TRIM);
    for (const fs::path folder : plugins) {
        const fs::path libraries = folder.parent_path();
        if (folder.filename() == "slurm" && libraries.filename().string().starts_with("lib"))
            folders += (libraries.parent_path() / "sbin").string() + ':';
    }
    folders += "/usr/sbin:/usr/local/sbin:" + Poco::Environment::get("PATH", "");
    Poco::Path found;
    return Poco::Path::find(folders, "slurmctld", found) ? std::optional<fs::path>(found.toString())
                                                         : std::nullopt;
}

std::string releaseOf(const fs::path& slurmctld)
/// It prints "slurm-wlm 22.05.8", or "slurm 22.05.8". Empty when it does not.
{
    static const std::regex release("slurm(-wlm)? ([0-9]+[.][0-9]+[.][0-9]+)");
    const std::string printed = runCommand({"timeout", "10", slurmctld.string(), "-V"}).output;
    std::smatch found;
    return std::regex_search(printed, found, release) ? found.str(2) : "";
}

} // namespace

bool SetupCheck::run()
try {
    forgetShell();
    const auto conf = readSlurmConf();
    if (!_isSlurmUser)
        return _report.end();
    // Where slurmctld is not, either.
    fs::current_path("/");
    if (conf)
        checkPlugin(*conf);
    try {
        const auto [settings, errors] = readSettings(settingsFile(conf));
        // Where another line is wrong, the rest can still be looked at.
        if (!settings.connection.secretText().empty()) {
            checkPassfile(settings);
            checkMetricsFile(settings);
            checkDatabase(settings, errors.empty(), _report);
        }
    } catch (const SettingsError& error) {
        _report.problem("settings", error.what());
    }
    return _report.end();
} catch (const fs::filesystem_error& error) {
    _report.problem("files", error.what());
    return _report.end();
}

std::optional<SlurmConf> SetupCheck::readSlurmConf()
/// Once to learn of SlurmUser, and once as that user, who reads it for the plugin.
{
    const fs::path file = _files.slurmConf.value_or(fs::absolute(SlurmConf::location()));
    try {
        becomeSlurmUser(SlurmConf::read(file).find("SlurmUser").value_or("root"));
        SlurmConf conf = SlurmConf::read(file);
        if (PluginHost::isNamedIn(conf))
            _report.ok("slurm.conf", withOwner(file) + ", names the plugin");
        else
            _report.note("slurm.conf",
                         file.string() +
                             " does not name the plugin, so slurmctld runs without it; to use it, add "
                             "hang_detector at the end of JobSubmitPlugins, as in "
                             "JobSubmitPlugins=hang_detector");
        return conf;
    } catch (const SettingsError& error) {
        _report.problem("slurm.conf", error.what());
        if (geteuid() == 0)
            _report.note("user", "without slurm.conf there is no SlurmUser, so all is seen as root sees it");
        return std::nullopt;
    }
}

void SetupCheck::becomeSlurmUser(const std::string& name)
{
    const passwd* const user = userOf(name);
    if (user == nullptr) {
        _report.problem("user", "SlurmUser " + name + " is not a user of this machine");
        return;
    }
    Poco::Environment::set("HOME", user->pw_dir);
    const uid_t number = user->pw_uid;
    const bool wasRoot = geteuid() == 0;
    const bool becomes = wasRoot && number != 0 && initgroups(user->pw_name, user->pw_gid) == 0 &&
                         setgid(user->pw_gid) == 0 && setuid(number) == 0;
    _isSlurmUser = geteuid() == number;
    if (becomes)
        _report.ok("user", "looks as " + name + ", who is SlurmUser");
    else if (_isSlurmUser)
        _report.ok("user", name + ", who is SlurmUser");
    else
        _report.problem("user", "this is " + nameOfUser(geteuid()) + ", but SlurmUser is " + name +
                                    ", which may see other files; run it as root or as " + name);
}

void SetupCheck::checkPlugin(const SlurmConf& conf)
try {
    const fs::path file = PluginHost::fileIn(conf);
    const std::string builtFor = PluginHost::releaseOf(file);
    const std::string plugin = file.string() + " is for Slurm " + builtFor;
    const auto slurmctld = slurmctldOf(conf);
    if (!slurmctld) {
        _report.note("plugin", plugin + "; slurmctld is not on this machine");
        return;
    }
    const std::string release = releaseOf(*slurmctld);
    if (release.empty())
        _report.note("plugin", plugin + "; " + slurmctld->string() + " -V does not say what release that is");
    else if (release == builtFor)
        _report.ok("plugin", plugin + ", the release of " + slurmctld->string());
    else
        _report.problem("plugin", plugin + ", but " + slurmctld->string() + " is Slurm " + release +
                                      " and would not start with it; build the plugin for that release");
} catch (const PluginError& error) {
    _report.problem("plugin", error.what());
}

fs::path SetupCheck::settingsFile(const std::optional<SlurmConf>& conf)
{
    if (_files.settings)
        return *_files.settings;
    if (conf)
        return conf->settingsFile();
    return fs::absolute(_files.slurmConf.value_or(SlurmConf::location())).parent_path() /
           "hang_detector.conf";
}

SettingsReport SetupCheck::readSettings(const fs::path& file)
{
    SettingsReport read = Settings::examine(file);
    for (const std::string& error : read.errors)
        _report.problem("settings", error);
    if (read.errors.empty())
        _report.ok("settings", withOwner(file) + (read.settings.dryRun ? ", a dry run: DryRun=yes" : ""));
    return read;
}

void SetupCheck::checkPassfile(const Settings& settings)
/// It is no problem here: the server may want no password. If it does, the error of the server says the same.
try {
    const auto options = Libpq::optionsOf(withoutSurroundings(settings.connection));
    const fs::path file = Libpq::valueOf(options, "passfile").value_or("");
    const bool isWritten =
        Libpq::valueOf(Libpq::writtenOptions(settings.connection.secretText()), "passfile").has_value();
    std::error_code ignored;
    if (file == "/dev/null" || (!isWritten && !fs::exists(file, ignored)))
        return;
    const std::string fault = Libpq::passfileFault(file.string());
    if (fault.empty())
        _report.ok("passfile", withOwner(file));
    else
        _report.note("passfile", fault);
} catch (const DatabaseError&) {
    // The check of the database says it.
} catch (const Libpq::ConnectionRefused&) {
}

void SetupCheck::checkMetricsFile(const Settings& settings)
{
    if (settings.metricsFile.empty())
        return;
    const fs::path folder = settings.metricsFile.parent_path();
    struct stat ofFolder = {};
    if (stat(folder.c_str(), &ofFolder) != 0 ||
        faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) != 0) {
        _report.problem("metrics", nameOfUser(geteuid()) + " cannot write to the directory " +
                                       withOwner(folder) + ": " + std::generic_category().message(errno));
        return;
    }
    // The file is written under the second name, and then takes the first one.
    for (const fs::path& file : {settings.metricsFile, fs::path(settings.metricsFile.string() + ".tmp")}) {
        struct stat ofFile = {};
        if (stat(file.c_str(), &ofFile) != 0)
            continue;
        const bool isForeign = ofFile.st_uid != geteuid() && ofFolder.st_uid != geteuid() && geteuid() != 0;
        if (S_ISDIR(ofFile.st_mode)) {
            _report.problem("metrics", file.string() + " is a directory");
            return;
        }
        if (isForeign && (ofFolder.st_mode & S_ISVTX) != 0) {
            _report.problem("metrics", withOwner(file) +
                                           ", belongs to another user, and the sticky bit of its "
                                           "directory lets only that user replace it");
            return;
        }
    }
    _report.ok("metrics", withOwner(folder));
}

} // namespace HangDetection::Sim
