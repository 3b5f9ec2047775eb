#include "CleanDebian.h"

#include "TemporaryDirectory.h"

#include <Poco/AutoPtr.h>
#include <Poco/Util/PropertyFileConfiguration.h>

#include <cerrno>
#include <exception>
#include <iostream>
#include <sched.h>
#include <stdexcept>
#include <sys/mount.h>
#include <system_error>
#include <unistd.h>

namespace HangDetection::Test {

namespace fs = std::filesystem;

namespace {

constexpr const char* cache = "/var/cache/hang-detector-tests";

/// What apt-get has fetched once, so that only the first test needs the mirror.
constexpr const char* archives = "/var/cache/hang-detector-tests/archives";

constexpr const char* needs =
    "these tests install the package in a Debian of their own: run them as root with "
    "the right to mount (CAP_SYS_ADMIN), as of docker run --privileged";

void enterOwnNameSpace()
/// Once for the whole program: what it mounts is seen by itself and its children only.
{
    static const bool hasEntered =
        unshare(CLONE_NEWNS) == 0 && mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    static const int error = errno;
    if (!hasEntered)
        throw std::runtime_error(std::string(needs) + "; " + std::generic_category().message(error));
}

fs::path cleanTree()
/// The tree for the packages of this day's Slurm; makes it if there is none.
{
    const Poco::AutoPtr<Poco::Util::PropertyFileConfiguration> os(
        new Poco::Util::PropertyFileConfiguration("/etc/os-release"));
    const std::string release = os->getString("VERSION_CODENAME");
    const std::string slurmctld =
        Sim::mustRun({"dpkg-query", "--show", "--showformat=${Version}", "slurmctld"});
    fs::path tree = fs::path(cache) / (release + "-slurmctld-" + slurmctld);
    if (fs::exists(tree))
        return tree;

    std::cerr << "\nmaking " << tree.string() << ", once on a machine; that takes one or two minutes\n";
    fs::create_directories(cache);
    const fs::path unfinished = tree.string() + "." + std::to_string(getpid());
    const Sim::CommandResult made = Sim::runCommand(
        {MAKE_DEBIAN, release, unfinished, "--include=slurmctld,munge", "--skip=cleanup/apt"});
    std::error_code error;
    if (made.exitStatus == 0)
        fs::rename(unfinished, tree, error);
    fs::remove_all(unfinished);
    // Another test program may have made it meanwhile.
    if (!fs::exists(tree))
        throw std::runtime_error(made.output);
    return tree;
}

} // namespace

CleanDebian::CleanDebian()
{
    enterOwnNameSpace();
    const fs::path tree = cleanTree();
    _directory = makeTemporaryDirectory();
    try {
        mountAll(tree);
    } catch (const std::exception& exception) {
        remove();
        throw std::runtime_error(std::string(needs) + "; " + exception.what());
    }
}

CleanDebian::~CleanDebian()
{
    remove();
}

void CleanDebian::mountAll(const fs::path& tree) const
{
    Sim::mustRun({"mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", _directory});
    for (const char* name : {"changes", "work", "root"})
        fs::create_directory(_directory / name);
    Sim::mustRun({"mount", "-t", "overlay", "-o",
                  "lowerdir=" + tree.string() + ",upperdir=" + (_directory / "changes").string() +
                      ",workdir=" + (_directory / "work").string(),
                  "overlay", root()});
    Sim::mustRun({"mount", "-t", "proc", "proc", root() / "proc"});
    fs::create_directories(archives);
    Sim::mustRun({"mount", "--bind", archives, outside("/var/cache/apt/archives")});
    fs::copy_file("/etc/resolv.conf", outside("/etc/resolv.conf"), fs::copy_options::overwrite_existing);
}

fs::path CleanDebian::outside(const fs::path& file) const
{
    return root() / file.relative_path();
}

void CleanDebian::show(const fs::path& directory) const
{
    fs::create_directories(outside(directory));
    Sim::mustRun({"mount", "--bind", directory, outside(directory)});
}

Sim::CommandLine CleanDebian::inside(const Sim::CommandLine& command) const
{
    const std::string path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    Sim::CommandLine line{"chroot",
                          root(),
                          "env",
                          "--ignore-environment",
                          path,
                          "LC_ALL=C.UTF-8",
                          "DEBIAN_FRONTEND=noninteractive"};
    line.insert(line.end(), command.begin(), command.end());
    return line;
}

std::string CleanDebian::install(const fs::path& package) const
{
    const fs::path copy = "/root" / package.filename();
    fs::copy_file(package, outside(copy), fs::copy_options::overwrite_existing);
    const Sim::CommandLine command{
        "apt-get", "install", "--yes", "--no-install-recommends", "--option=Dpkg::Options::=--force-confold",
        copy};
    Sim::CommandResult result = Sim::runCommand(inside(command));
    if (result.exitStatus != 0) {
        // Debian may have replaced a package since the tree was made.
        run({"apt-get", "update"});
        result.output = run(command);
    }
    fs::remove(outside(copy));
    return result.output;
}

void CleanDebian::remove() noexcept
{
    // With all that is mounted below. Nothing is deleted in there, should it still be mounted.
    umount2(_directory.c_str(), MNT_DETACH);
    rmdir(_directory.c_str());
}

} // namespace HangDetection::Test
