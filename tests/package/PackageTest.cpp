// What the Debian package says and holds. It is not installed here.

#include "BuiltPackage.h"
#include "Command.h"
#include "Suite.h"
#include "Texts.h"

#include <Poco/String.h>

#include <regex>

namespace HangDetection::Test {

class PackageTest : public CppUnit::TestFixture
{
    TEST_SUITE(PackageTest);

    TEST(lintianHasNoComplaint)
    {
        const Sim::CommandResult result = Sim::runCommand(
            {"lintian", "--fail-on", "error,warning", "--tag-display-limit", "0", builtPackage()});
        CPPUNIT_ASSERT_EQUAL_MESSAGE(result.output, 0, result.exitStatus);
    }

    TEST(isForThisArchitectureAndVersion)
    {
        CPPUNIT_ASSERT_EQUAL(Poco::trim(Sim::mustRun({"dpkg", "--print-architecture"})),
                             packageField("Architecture"));
        CPPUNIT_ASSERT_EQUAL(std::string(PACKAGE_VERSION "-1+slurm") + slurmRelease(),
                             packageField("Version"));
    }

    TEST(takesEveryRevisionOfTheSlurmReleaseItWasBuiltFor)
    {
        for (const char* revision : {"-1", "-4+deb12u13", "-4~bpo12+1"})
            CPPUNIT_ASSERT_MESSAGE(revision, isSatisfiedBy(slurmRelease() + revision));
        // What is installed here, for which it was built.
        CPPUNIT_ASSERT(
            isSatisfiedBy(Sim::mustRun({"dpkg-query", "--show", "--showformat=${Version}", "slurmctld"})));
    }

    TEST(refusesEveryOtherReleaseOfSlurm)
    {
        const std::string release = slurmRelease();
        const auto dot = release.rfind('.');
        const int micro = std::stoi(release.substr(dot + 1));
        const auto neighbour = [&](int distance) {
            return release.substr(0, dot + 1) + std::to_string(micro + distance);
        };
        for (const std::string& version :
             {neighbour(-1) + "-99", neighbour(1) + "~rc1-1", neighbour(10) + "-1", release + "~rc1-1"})
            CPPUNIT_ASSERT_MESSAGE(version, !isSatisfiedBy(version));
    }

    TEST(holdsAllThatAnOperatorNeeds)
    {
        const std::string documents = "-rw-r--r-- root/root /usr/share/doc/" + packageField("Package");
        // Without size and time of each file, and the dot before its path.
        const std::string contents =
            '\n' + std::regex_replace(Sim::mustRun({"dpkg-deb", "--contents", builtPackage()}),
                                      std::regex(" +[0-9]+ [0-9-]+ [0-9:]+ [.]/"), " /");
        for (const std::string& line : std::vector<std::string>{
                 "-rw-r--r-- root/root " SLURM_PLUGIN_DIR "/job_submit_hang_detector.so",
                 "-rwxr-xr-x root/root /usr/bin/hang-detector-sim",
                 "-rw-r----- root/root /etc/slurm/hang_detector.conf",
                 "-rw-r--r-- root/root /usr/share/bash-completion/completions/hang-detector-sim",
                 "-rw-r--r-- root/root /usr/share/hang-detector/sql/role.sql",
                 "-rw-r--r-- root/root /usr/share/hang-detector/sql/index.sql",
                 "-rw-r--r-- root/root /usr/share/hang-detector/sql/remove.sql",
                 "-rw-r--r-- root/root /usr/share/hang-detector/monitoring/hang-detector.rules.yml",
                 "-rw-r--r-- root/root /usr/share/hang-detector/monitoring/hang-detector.json",
                 documents + "/README.md", documents + "/packaging/pictures/demo.svg",
                 documents + "/packaging/pictures/dashboard.svg", documents + "/copyright",
                 documents + "/changelog.Debian.gz",
                 "-rw-r--r-- root/root /usr/share/man/man1/hang-detector-sim.1.gz",
                 "-rw-r--r-- root/root /usr/share/man/man5/hang_detector.conf.5.gz",
                 "-rw-r--r-- root/root /usr/share/man/man8/job_submit_hang_detector.8.gz"})
            assertContains('\n' + line + '\n', contents);
    }

    static std::string slurmRelease()
    /// That the plugin was built for, such as 22.05.8.
    {
        const std::string version = Sim::mustRun({SIMULATOR, "--version"});
        const auto begin = version.find("(Slurm ") + 7;
        return version.substr(begin, version.find(')') - begin);
    }

    static bool isSatisfiedBy(const std::string& version)
    /// Whether a slurmctld of this version will do for the package, as dpkg sees it.
    {
        static const std::regex relation(R"(slurmctld \(([<>=]+) ([^)]+)\))");
        const std::string depends = packageField("Depends");
        int relations = 0;
        bool isSatisfied = true;
        for (std::sregex_iterator found(depends.begin(), depends.end(), relation), end; found != end;
             ++found) {
            ++relations;
            isSatisfied = isSatisfied && Sim::runCommand({"dpkg", "--compare-versions", version,
                                                          (*found)[1].str(), (*found)[2].str()})
                                                 .exitStatus == 0;
        }
        CPPUNIT_ASSERT_MESSAGE(depends, relations > 0);
        return isSatisfied;
    }
};

} // namespace HangDetection::Test
