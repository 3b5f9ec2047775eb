#include "BuiltPackage.h"

#include "Command.h"
#include "TemporaryDirectory.h"

#include <Poco/String.h>

#include <fstream>

namespace HangDetection::Test {

namespace fs = std::filesystem;

const fs::path& builtPackage()
{
    static const TemporaryDirectory directory;
    static const fs::path file =
        Poco::trim(Sim::mustRun({PACKAGE_SCRIPT, BUILD_DIRECTORY, "-B", directory.path()}));
    return file;
}

std::string packageField(const std::string& name)
{
    return Poco::trim(Sim::mustRun({"dpkg-deb", "--field", builtPackage(), name}));
}

fs::path nextPackage(const fs::path& directory)
{
    const fs::path tree = directory / "next";
    Sim::mustRun({"dpkg-deb", "--raw-extract", builtPackage(), tree});
    Sim::mustRun({"sed", "-i", "s/^Version: .*/&.1/", tree / "DEBIAN/control"});
    std::ofstream(tree / "etc/slurm/hang_detector.conf", std::ios::app) << "# new in the next version\n";
    fs::path file = directory / "next.deb";
    Sim::mustRun({"dpkg-deb", "--root-owner-group", "--build", tree, file});
    return file;
}

} // namespace HangDetection::Test
