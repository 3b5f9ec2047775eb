#include "PluginHost.h"

#include "slurm/SlurmConf.h"
#include "slurm/SlurmRelease.h"

#include <Poco/Environment.h>
#include <Poco/String.h>
#include <Poco/StringTokenizer.h>

#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <dlfcn.h>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace HangDetection::Sim {

namespace fs = std::filesystem;

namespace {

constexpr const char* pluginName = "hang_detector";
constexpr std::string_view pluginType = "job_submit/hang_detector";
constexpr const char* pluginFile = "job_submit_hang_detector.so";

std::string versionText(std::uint32_t version)
{
    const std::string minor = std::to_string(SLURM_VERSION_MINOR(version));
    return std::to_string(SLURM_VERSION_MAJOR(version)) + "." + (minor.size() < 2 ? "0" : "") + minor + "." +
           std::to_string(SLURM_VERSION_MICRO(version));
}

} // namespace

PluginHost PluginHost::fromSlurmConf(const fs::path& slurmConf)
{
    const SlurmConf conf = SlurmConf::read(slurmConf);
    if (!isNamedIn(conf))
        throw PluginError(slurmConf.string() + ": JobSubmitPlugins does not name " + pluginName +
                          "; add JobSubmitPlugins=" + pluginName);

    const std::string location = fs::absolute(slurmConf).string();
    // Set only once: the thread of a plugin that was unloaded may still read the environment.
    if (Poco::Environment::get("SLURM_CONF", "") != location)
        Poco::Environment::set("SLURM_CONF", location);
    return PluginHost(fileIn(conf));
}

bool PluginHost::isNamedIn(const SlurmConf& conf)
{
    const Poco::StringTokenizer plugins(conf.find("JobSubmitPlugins").value_or(""), ",",
                                        Poco::StringTokenizer::TOK_TRIM);
    // Slurm also takes a name with the prefix of its type.
    return std::ranges::any_of(
        plugins, [](const std::string& name) { return name == pluginName || name == pluginType; });
}

fs::path PluginHost::fileIn(const SlurmConf& conf)
{
    const std::string pluginDirs = conf.find("PluginDir").value_or(SLURM_PLUGIN_DIR);
    const Poco::StringTokenizer directories(
        pluginDirs, ":", Poco::StringTokenizer::TOK_TRIM | Poco::StringTokenizer::TOK_IGNORE_EMPTY);
    for (const std::string& directory : directories) {
        std::error_code error;
        if (!fs::is_directory(directory, error))
            throw PluginError("PluginDir: " + directory + " is not a directory; slurmctld would not start");
    }
    for (const std::string& directory : directories) {
        fs::path file = fs::path(directory) / pluginFile;
        std::error_code error;
        if (fs::is_regular_file(file, error))
            return file;
    }
    throw PluginError(std::string(pluginFile) + " is not in PluginDir (" + pluginDirs + ")");
}

std::string PluginHost::releaseOf(const fs::path& file)
{
    const PluginHost plugin(file, Opened{});
    plugin.requireCalls();
    return versionText(plugin.version());
}

PluginHost::PluginHost(const fs::path& file) : PluginHost(file, Opened{})
{
    initialise();
    _isInitialised = true;
}

PluginHost::PluginHost(const fs::path& file, Opened) : _file(file)
{
    if (access(file.c_str(), R_OK) != 0)
        throw PluginError(file.string() + ": " + std::generic_category().message(errno));
    _handle = dlopen(file.c_str(), RTLD_LAZY);
    if (_handle == nullptr)
        throw PluginError(std::string("cannot be opened: ") + dlerror()); // NOLINT(concurrency-mt-unsafe)
}

PluginHost::PluginHost(PluginHost&& other) noexcept
    : _file(std::move(other._file)),
      _handle(std::exchange(other._handle, nullptr)),
      _isInitialised(other._isInitialised)
{}

PluginHost::~PluginHost()
{
    if (_handle == nullptr)
        return;
    if (void* const fini = symbol("fini"); fini != nullptr && _isInitialised)
        reinterpret_cast<int (*)()>(fini)();
    dlclose(_handle);
}

std::optional<std::string> PluginHost::submitJob(const std::string& comment)
{
    std::string text = comment;
    job_desc_msg_t job{};
    job.comment = text.empty() ? nullptr : text.data();
    char* message = nullptr;
    const auto submit =
        reinterpret_cast<int (*)(job_desc_msg_t*, std::uint32_t, char**)>(symbol("job_submit"));
    const auto modify = reinterpret_cast<decltype(&job_modify)>(symbol("job_modify"));
    const bool isTaken = submit(&job, getuid(), &message) == SLURM_SUCCESS;
    const bool mayChange =
        isTaken && modify(&job, nullptr, getuid() JOB_MODIFY_MESSAGE(&message)) == SLURM_SUCCESS;
    // The memory comes from this program's slurm_xrecalloc.
    const std::unique_ptr<char, decltype(&std::free)> owner(message, &std::free);
    if (!isTaken)
        return message == nullptr ? "the plugin gives no reason" : message;
    if (!mayChange)
        throw PluginError(_file.string() + ": the plugin refused a change of a job");
    return std::nullopt;
}

void* PluginHost::symbol(const char* name) const
{
    return dlsym(_handle, name);
}

std::uint32_t PluginHost::version() const
{
    for (const char* const name : {"plugin_name", "plugin_type", "plugin_version"}) {
        if (symbol(name) == nullptr)
            throw PluginError(_file.string() + ": the symbol " + name + " is missing");
    }
    const auto* const type = static_cast<const char*>(symbol("plugin_type"));
    if (type != pluginType)
        throw PluginError(_file.string() + ": is of type " + type + ", not " + std::string(pluginType));
    return *static_cast<const std::uint32_t*>(symbol("plugin_version"));
}

void PluginHost::initialise() const
{
    if (version() != SLURM_VERSION_NUMBER)
        throw PluginError(_file.string() + ": was built for Slurm " + versionText(version()) + ", not " +
                          slurmVersion());
    if (void* const init = symbol("init");
        init != nullptr && reinterpret_cast<int (*)()>(init)() != SLURM_SUCCESS)
        throw PluginError(_file.string() + ": init failed; slurmctld would not start");
    requireCalls();
}

void PluginHost::requireCalls() const
{
    for (const char* const name : {"job_submit", "job_modify"}) {
        if (symbol(name) == nullptr)
            throw PluginError(_file.string() + ": the symbol " + name + " is missing");
    }
}

std::string slurmVersion()
{
    return versionText(SLURM_VERSION_NUMBER);
}

} // namespace HangDetection::Sim
