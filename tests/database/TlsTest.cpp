#include "ChangedVariable.h"
#include "DatabaseFixture.h"
#include "FreePort.h"
#include "ServerFaults.h"
#include "TemporaryDirectory.h"
#include "libpq/Errors.h"
#include "libpq/SessionImpl.h"

#include <libpq-fe.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <list>
#include <system_error>

namespace HangDetection::Test {

namespace fs = std::filesystem;

namespace {

class CertificateAuthority
/// Signs certificates, in a directory of its own.
{
public:
    explicit CertificateAuthority(const std::string& name)
    {
        Sim::mustRun({"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                      "/CN=" + name, "-keyout", path("ca.key"), "-out", certificate()});
    }

    std::string certificate() const { return path("ca.crt"); }

    void sign(const std::string& name, const fs::path& key, const fs::path& signedCertificate) const
    /// Writes a new key and the certificate that belongs to it.
    {
        const std::string request = path("request.csr");
        Sim::mustRun({"openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=" + name, "-keyout",
                      key, "-out", request});
        Sim::mustRun({"openssl", "x509", "-req", "-in", request, "-CA", certificate(), "-CAkey",
                      path("ca.key"), "-CAcreateserial", "-days", "2", "-out", signedCertificate});
    }

private:
    std::string path(const char* name) const { return _directory.path() / name; }

    const TemporaryDirectory _directory;
};

void require(long result)
{
    if (result < 0)
        throw std::system_error(errno, std::generic_category(), "TlsTest");
}

int silentSocket(const std::string& port)
/// Takes connections on 127.0.0.1 and never answers.
{
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(port)));
    const int silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    require(silent);
    require(bind(silent, reinterpret_cast<const sockaddr*>(&address), sizeof address));
    require(listen(silent, SOMAXCONN));
    return silent;
}

template <typename Work>
void inOwnThread(const Work& work)
/// Some things can be changed for a thread alone.
{
    if (geteuid() != 0)
        throw std::runtime_error("this test takes another user or another /etc/hosts: run it as root");
    std::async(std::launch::async, work).get();
}

void useHostsFile(const fs::path& file)
/// In place of /etc/hosts, for this thread and what it starts.
{
    require(unshare(CLONE_NEWNS));
    require(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
    require(mount(file.c_str(), "/etc/hosts", nullptr, MS_BIND, nullptr));
}

} // namespace

class TlsTest : public DatabaseFixture
/// A server in the network, whose certificate an authority of the site has signed.
{
public:
    // Each fixture of the program is made at its start, whatever suite is wanted.
    void setUp() override
    {
        DatabaseFixture::setUp();
        _authority.emplace("authority");
        _server.emplace();
    }

    void tearDown() override
    {
        _tlsDatabase.reset();
        _server.reset();
        _authority.reset();
        DatabaseFixture::tearDown();
    }

    TEST_SUITE(TlsTest);

    TEST(terminatesOverAVerifiedConnection)
    {
        serve();
        useConnection();
        expectEncryptedRun();
        assertContains("TLSv1.", posted().connected.at(0).tls);
    }

    TEST(refusesAServerThatAnotherAuthorityHasSigned)
    {
        serve();
        const CertificateAuthority other("another authority");
        useConnection(" sslrootcert=" + other.certificate());
        expectTlsError("certificate verify failed");
    }

    TEST(refusesACertificateForAnotherHost)
    {
        serve("db.example.org");
        useConnection();
        expectTlsError("\"db.example.org\"");
    }

    TEST(tellsThatAKeyHasAnotherPassword)
    {
        serve();
        const TemporaryDirectory directory;
        const fs::path key = directory.path() / "client.key";
        const fs::path certificate = directory.path() / "client.crt";
        const fs::path openKey = directory.path() / "open.key";
        _authority->sign("detector", openKey, certificate);
        Sim::mustRun(
            {"openssl", "rsa", "-aes256", "-passout", "pass:another one", "-in", openKey, "-out", key});
        fs::permissions(key, fs::perms::owner_read | fs::perms::owner_write);
        useConnection(" sslcert=" + certificate.string() + " sslkey=" + key.string() +
                      " sslpassword=geheim123");
        expectError("could not load private key file", "", "check sslrootcert");
    }

    TEST(triesTheNextAddressAfterOneThatDoesNotAnswer)
    {
        serve("db.example.org");
        const int silent = silentSocket(_port);
        const TemporaryDirectory directory;
        const auto hosts = directory.write(
            "hosts", "127.0.0.1 db.example.org silent.example.org\n127.0.0.2 db.example.org\n");
        inOwnThread([&] {
            useHostsFile(hosts);
            const std::string connection = "host=db.example.org connect_timeout=2" + common();
            // The same is true of psql, so the silent one is the first.
            const auto start = std::chrono::steady_clock::now();
            Sim::mustRun({server().binaries() / "psql", connection, "--command", "SELECT"});
            CPPUNIT_ASSERT(std::chrono::steady_clock::now() - start >= std::chrono::seconds(2));

            settings().connection = ConnectionString::parse(connection);
            expectEncryptedRun();

            forgetDetector();
            settings().connection =
                ConnectionString::parse("host=silent.example.org connect_timeout=1" + common());
            expectError("connection to server at \"silent.example.org\" (127.0.0.1), port " + _port +
                            " failed: no answer within 1s",
                        "", "check Connection");
            forgetDetector();
        });
        close(silent);
    }

    TEST(refusesAnAnswerThatIsTooLarge)
    /// Here, as only a socket of the network counts exactly.
    {
        serve();
        Poco::AutoPtr<Libpq::SessionImpl> impl(new Libpq::SessionImpl);
        for (const char* const question :
             {"SELECT repeat('x', 40000000)", "SELECT repeat('x', 20000) FROM generate_series(1, 2000)"}) {
            impl->open("host=localhost hostaddr=127.0.0.2" + common());
            try {
                impl->execute(question, {});
                CPPUNIT_FAIL(question);
            } catch (const Libpq::ServerError& error) {
                CPPUNIT_ASSERT_EQUAL(std::string("the server sent more than 16 MiB as one answer"),
                                     error.message());
            }
            CPPUNIT_ASSERT(!impl->isConnected());
        }
        impl->open("host=localhost hostaddr=127.0.0.2" + common());
        for (int i = 0; i < 10; ++i)
            impl->execute("SELECT repeat('x', 10000000)", {});
        CPPUNIT_ASSERT(impl->isGood());
    }

    TEST(connectsAlthoughAnotherHomeIsClosed)
    {
        // slurmctld that root has started becomes SlurmUser, and keeps HOME=/root.
        serve();
        const fs::path certificate = _server->directory() / "ca.crt";
        fs::copy_file(_authority->certificate(), certificate);
        fs::permissions(certificate, fs::perms::others_read, fs::perm_options::add);
        const TemporaryDirectory home;
        const ChangedVariable variable("HOME", home.path());
        inOwnThread([&] {
            const passwd* const nobody = getpwnam("nobody");
            require(syscall(SYS_setresuid, -1, nobody->pw_uid, -1));
            useConnection(" sslrootcert=" + certificate.string());
            expectEncryptedRun();
            useConnection(" sslmode=prefer sslrootcert=''");
            expectEncryptedRun();
            forgetDetector();
        });
    }

    TEST(givesNoVariableOfTheEnvironmentASay)
    {
        serve();
        useConnection(" sslmode=prefer sslrootcert=''");
        const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(PQconndefaults(),
                                                                                   &PQconninfoFree);
        std::list<ChangedVariable> variables;
        for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
            if (option->envvar == nullptr || option->keyword == std::string("service"))
                continue;
            variables.emplace_back(option->envvar, "junk");
        }
        expectEncryptedRun();
        variables.clear();
        const ChangedVariable outdated("PGREQUIRESSL", "1");
        expectEncryptedRun();

        // These go to the server in any case.
        const ChangedVariable zone("PGTZ", "Asia/Tokyo");
        const ChangedVariable style("PGDATESTYLE", "German");
        const ChangedVariable optimizer("PGGEQO", "off");
        expectEncryptedRun();
        const ChangedVariable unknown("PGTZ", "junk");
        forgetDetector();
        expectError("invalid value for parameter \"TimeZone\": \"junk\"", "22023", "");
    }

    TEST(sendsAPasswordInClearTextOnlyOverTls)
    {
        serve();
        _tlsDatabase->execute(std::string("ALTER ROLE ") + detectorRole + " PASSWORD 'geheim123'");
        struct Row
        {
            const char* method;
            const char* connection;
            bool isRefused = false;
            bool isAllowed = false;
        };
        for (const Row& row : std::vector<Row>{{"scram-sha-256", " sslmode=disable"},
                                               {"scram-sha-256", " sslmode=require"},
                                               {"scram-sha-256", " sslmode=prefer"},
                                               {"md5", " sslmode=disable"},
                                               {"password", " sslmode=disable", true},
                                               {"password", " sslmode=allow", true},
                                               {"password", " sslmode=disable", false, true},
                                               {"password", " sslmode=prefer"},
                                               {"password", " sslmode=verify-full"}}) {
            const HbaRule rule(*_server, std::string("host all hang_detector all ") + row.method,
                               " port=" + _port);
            useConnection(row.connection);
            settings().connection.allowCleartextPassword(row.isAllowed);
            forgetDetector();
            if (row.isRefused) {
                expectError("the server asks for the password in clear text", "", "encrypt the connection");
                continue;
            }
            const std::string job = _tlsDatabase->addJob();
            CPPUNIT_ASSERT_EQUAL_MESSAGE(std::string(row.method) + row.connection, std::vector{job},
                                         run().terminated);
        }
    }

    void expectTlsError(const std::string& cause) { expectError(cause, "", "check sslmode, sslrootcert"); }

    void expectEncryptedRun()
    /// With a new connection, of a detector of that name.
    {
        forgetDetector();
        const std::string job = _tlsDatabase->addJob();
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
        CPPUNIT_ASSERT_EQUAL(Text("true"),
                             _tlsDatabase->value("SELECT ssl::text FROM pg_stat_ssl JOIN pg_stat_activity"
                                                 " USING (pid) WHERE application_name = $1",
                                                 "hang_detector"));
    }

    void serve(const std::string& hostName = "localhost")
    /// Starts a server with a certificate for that name, and a job database in it.
    {
        _server->createDatabase("coder");
        const fs::path data = _server->directory() / "data";
        _authority->sign(hostName, data / "server.key", data / "server.crt");
        fs::permissions(data / "server.key", fs::perms::owner_read | fs::perms::owner_write);
        if (geteuid() == 0)
            Sim::mustRun({"chown", "postgres", data / "server.key", data / "server.crt"});
        std::ofstream(data / "postgresql.conf", std::ios::app)
            << "listen_addresses = '127.0.0.2'\nport = " << _port << "\nssl = on\n";
        std::ofstream(data / "pg_hba.conf") << "local all all trust\nhostssl all all 127.0.0.0/8 trust\n";
        _server->stop();
        _server->start();
        const std::string superuser = _server->connectionString("coder") + " port=" + _port;
        applyRoleScriptTo(superuser);
        _tlsDatabase.emplace(superuser);
    }

    void useConnection(const std::string& more = "")
    /// The last value of a key in a connection string counts.
    {
        settings().connection =
            ConnectionString::parse("host=localhost hostaddr=127.0.0.2" + common() + more);
    }

    std::string common() const
    {
        return " port=" + _port + " user=" + detectorRole +
               " password=geheim123 dbname=coder sslmode=verify-full sslrootcert=" +
               _authority->certificate();
    }

    const std::string _port = freePort(15000, 19999);
    std::optional<CertificateAuthority> _authority;
    std::optional<Sim::ThrowawayPostgres> _server;
    std::optional<Sim::JobDatabase> _tlsDatabase;
};

} // namespace HangDetection::Test
