#pragma once

#include "Command.h"

#include <filesystem>

namespace HangDetection::Test {

class CleanDebian
/// A Debian of this machine's release with slurmctld and munge in it, and nothing else that
/// it could do without, to install packages in. What becomes of it is gone with the object:
/// it is an overlay in memory. Below lies a tree that the first test on a machine makes
/// from Debian's mirror, which takes one or two minutes, and that stays in
/// /var/cache/hang-detector-tests, where it may be deleted at any time.
///
/// The mounts are in a name space of the test program, so they are gone with it whatever
/// ends it. Used by one thread.
{
public:
    CleanDebian();
    /// Throws std::runtime_error with what is missing: root with the right to mount,
    /// mmdebstrap, or the mirror.

    ~CleanDebian();

    CleanDebian(const CleanDebian&) = delete;
    CleanDebian& operator=(const CleanDebian&) = delete;

    std::filesystem::path outside(const std::filesystem::path& file) const;
    /// Where an absolute path of its own lies for the test.

    void show(const std::filesystem::path& directory) const;
    /// A directory of the machine is seen there, too, under the same path.

    Sim::CommandLine inside(const Sim::CommandLine& command) const;
    /// The command as it has to be written to run as root there.

    std::string run(const Sim::CommandLine& command) const { return Sim::mustRun(inside(command)); }
    /// The output of a command that runs there and has to succeed.

    std::string install(const std::filesystem::path& package) const;
    /// Installs the file of a package, with all that it depends on, as apt-get does. A
    /// settings file that was edited is kept. Returns what apt-get printed; throws
    /// std::runtime_error with it when that failed.

private:
    std::filesystem::path root() const { return _directory / "root"; }
    void mountAll(const std::filesystem::path& tree) const;
    void remove() noexcept;

    std::filesystem::path _directory;
};

} // namespace HangDetection::Test
