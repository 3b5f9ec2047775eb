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
#include <Poco/String.h>

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
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

void forgetShell(const std::string& home)
/// What the shell of the operator has in its environment is not in that of slurmctld.
{
    std::vector<std::string> names;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string text = *entry;
        if (text.starts_with("PG"))
            names.push_back(text.substr(0, text.find('=')));
    }
    for (const std::string& name : names)
        unsetenv(name.c_str()); // NOLINT(concurrency-mt-unsafe): one thread
    Poco::Environment::set("HOME", home);
}

std::optional<fs::path> slurmctldBeside(const fs::path& pluginFile)
/// That of the Slurm whose plugin directory this is, or the one that a shell would find.
{
    const fs::path prefix = pluginFile.parent_path().parent_path().parent_path();
    const std::string folders =
        (prefix / "sbin").string() + ':' + Poco::Environment::get("PATH", "") + ":/usr/sbin:/usr/local/sbin";
    Poco::Path found;
    return Poco::Path::find(folders, "slurmctld", found) ? std::optional<fs::path>(found.toString())
                                                         : std::nullopt;
}

std::string releaseOfSlurmctld(const fs::path& slurmctld)
/// It prints "slurm-wlm 22.05.8", or "slurm 22.05.8".
{
    const std::string printed = Poco::trim(runCommand({slurmctld.string(), "-V"}).output);
    return printed.substr(printed.find_last_of(' ') + 1);
}

} // namespace

bool SetupCheck::run()
{
    const auto conf = readSlurmConf();
    if (conf)
        checkPlugin(*conf);
    try {
        if (const auto settings = readSettings(settingsFile(conf))) {
            checkPassfile(*settings);
            checkMetricsFile(*settings);
            checkDatabase(*settings, _report);
        }
    } catch (const SettingsError& error) {
        _report.problem("settings", error.what());
    }
    return _report.end();
}

std::optional<SlurmConf> SetupCheck::readSlurmConf()
/// Once to learn of SlurmUser, and once as that user, who reads it for the plugin.
{
    const fs::path file = fs::absolute(_files.slurmConf.value_or(SlurmConf::location()));
    try {
        becomeSlurmUser(SlurmConf::read(file).find("SlurmUser").value_or("root"));
        SlurmConf conf = SlurmConf::read(file);
        if (PluginHost::isNamedIn(conf))
            _report.ok("slurm.conf", withOwner(file) + ", names the plugin");
        else
            _report.note("slurm.conf", file.string() +
                                           " does not name the plugin yet: add hang_detector at the end of "
                                           "JobSubmitPlugins, as in JobSubmitPlugins=hang_detector");
        return conf;
    } catch (const SettingsError& error) {
        _report.problem("slurm.conf", error.what());
        return std::nullopt;
    }
}

void SetupCheck::becomeSlurmUser(const std::string& name)
{
    const passwd* const user = getpwnam(name.c_str()); // NOLINT(concurrency-mt-unsafe): one thread
    if (user == nullptr) {
        _report.problem("user", "SlurmUser " + name + " is no user of this machine");
        return;
    }
    forgetShell(user->pw_dir);
    if (geteuid() == user->pw_uid) {
        _report.ok("user", name + ", as slurmctld");
        return;
    }
    const std::string own = nameOfUser(geteuid());
    if (geteuid() == 0 && initgroups(name.c_str(), user->pw_gid) == 0 && setgid(user->pw_gid) == 0 &&
        setuid(user->pw_uid) == 0)
        _report.ok("user", name + ", as slurmctld: root has become SlurmUser for this check");
    else
        _report.note("user", own + ", but slurmctld runs as " + name +
                                 ", who may see other files: run this as root or as " + name);
}

void SetupCheck::checkPlugin(const SlurmConf& conf)
try {
    const fs::path file = PluginHost::fileIn(conf);
    const std::string release = PluginHost::releaseOf(file);
    const auto slurmctld = slurmctldBeside(file);
    if (!slurmctld) {
        _report.note("plugin",
                     file.string() + " is for Slurm " + release + "; slurmctld is not on this machine");
        return;
    }
    const std::string installed = releaseOfSlurmctld(*slurmctld);
    if (release == installed)
        _report.ok("plugin", file.string() + " is for Slurm " + release + ", as " + slurmctld->string());
    else
        _report.problem("plugin", file.string() + " is for Slurm " + release + ", but " +
                                      slurmctld->string() + " is of " + installed +
                                      ": slurmctld would not start; build the plugin for that release");
} catch (const PluginError& error) {
    _report.problem("plugin", error.what());
}

fs::path SetupCheck::settingsFile(const std::optional<SlurmConf>& conf)
{
    if (_files.settings)
        return fs::absolute(*_files.settings);
    if (conf)
        return conf->settingsFile();
    return fs::absolute(_files.slurmConf.value_or(SlurmConf::location())).parent_path() /
           "hang_detector.conf";
}

std::optional<Settings> SetupCheck::readSettings(const fs::path& file)
/// Nothing without a connection. Where another line is wrong, the rest can still be looked at.
{
    SettingsReport read = Settings::examine(file);
    for (const std::string& error : read.errors)
        _report.problem("settings", error);
    if (read.errors.empty())
        _report.ok("settings", withOwner(file) + (read.settings.dryRun ? ", a dry run: DryRun=yes" : ""));
    if (read.settings.connection.secretText().empty())
        return std::nullopt;
    return read.settings;
}

void SetupCheck::checkPassfile(const Settings& settings)
/// One that is missing may not be needed. The server knows.
try {
    const auto options = Libpq::optionsOf(withoutSurroundings(settings.connection));
    const fs::path file = Libpq::valueOf(options, "passfile").value_or("");
    const std::string fault = Libpq::passfileFault(file.string());
    const bool isWritten =
        Libpq::valueOf(Libpq::writtenOptions(settings.connection.secretText()), "passfile").has_value();
    std::error_code ignored;
    if (fault.empty())
        _report.ok("passfile", withOwner(file));
    else if (isWritten || fs::exists(file, ignored))
        _report.problem("passfile", fault + "; run chown " + nameOfUser(geteuid()) + " and chmod 0600 on it");
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
    struct stat ofFile = {};
    const auto mayWrite = [&] { return faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) == 0; };
    if (stat(folder.c_str(), &ofFolder) != 0 || !mayWrite())
        _report.problem("metrics", nameOfUser(geteuid()) + " cannot write to the directory " +
                                       withOwner(folder) + ": " + std::generic_category().message(errno));
    else if (!S_ISDIR(ofFolder.st_mode))
        _report.problem("metrics", folder.string() + " is not a directory");
    else if ((ofFolder.st_mode & S_ISVTX) != 0 && stat(settings.metricsFile.c_str(), &ofFile) == 0 &&
             ofFile.st_uid != geteuid() && ofFolder.st_uid != geteuid())
        _report.problem("metrics",
                        withOwner(settings.metricsFile) +
                            " belongs to another user, and the sticky bit of its directory lets only "
                            "that user replace it");
    else
        _report.ok("metrics", withOwner(folder));
}

} // namespace HangDetection::Sim
