#include "Command.h"
#include "DatabaseFixture.h"
#include "FreePort.h"
#include "TemporaryDirectory.h"

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <unistd.h>

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

    CPPUNIT_TEST_SUITE(TlsTest);
    CPPUNIT_TEST(terminatesOverAVerifiedConnection);
    CPPUNIT_TEST(refusesAServerThatAnotherAuthorityHasSigned);
    CPPUNIT_TEST(refusesACertificateForAnotherHost);
    CPPUNIT_TEST(tellsThatAKeyHasAnotherPassword);
    CPPUNIT_TEST_SUITE_END();

    void terminatesOverAVerifiedConnection()
    {
        serve("localhost");
        connectTo("localhost", *_authority);
        const std::string job = _tlsDatabase->addJob();
        CPPUNIT_ASSERT_EQUAL(std::vector{job}, run().terminated);
        CPPUNIT_ASSERT_EQUAL(Text("true"),
                             _tlsDatabase->value("SELECT ssl::text FROM pg_stat_ssl JOIN pg_stat_activity"
                                                 " USING (pid) WHERE application_name = $1",
                                                 "hang_detector"));
    }

    void refusesAServerThatAnotherAuthorityHasSigned()
    {
        serve("localhost");
        const CertificateAuthority other("another authority");
        connectTo("localhost", other);
        expectError("certificate verify failed", "", "check sslmode, sslrootcert");
    }

    void refusesACertificateForAnotherHost()
    {
        serve("db.example.org");
        connectTo("localhost", *_authority);
        expectError("\"db.example.org\"", "", "check sslmode, sslrootcert");
    }

    void tellsThatAKeyHasAnotherPassword()
    {
        serve("localhost");
        const TemporaryDirectory directory;
        const fs::path key = directory.path() / "client.key";
        const fs::path certificate = directory.path() / "client.crt";
        const fs::path openKey = directory.path() / "open.key";
        _authority->sign("detector", openKey, certificate);
        Sim::mustRun(
            {"openssl", "rsa", "-aes256", "-passout", "pass:another one", "-in", openKey, "-out", key});
        fs::permissions(key, fs::perms::owner_read | fs::perms::owner_write);
        connectTo("localhost", *_authority,
                  " sslcert=" + certificate.string() + " sslkey=" + key.string() + " sslpassword=geheim123");
        expectError("could not load private key file", "", "check sslmode, sslrootcert");
    }

    void serve(const std::string& hostName)
    /// Starts a server with a certificate for that name, and a job database in it.
    {
        _server->createDatabase("coder");
        const fs::path data = _server->directory() / "data";
        _authority->sign(hostName, data / "server.key", data / "server.crt");
        fs::permissions(data / "server.key", fs::perms::owner_read | fs::perms::owner_write);
        if (geteuid() == 0)
            Sim::mustRun({"chown", "postgres", data / "server.key", data / "server.crt"});
        std::ofstream(data / "postgresql.conf", std::ios::app)
            << "listen_addresses = '127.0.0.1'\nport = " << _port << "\nssl = on\n";
        std::ofstream(data / "pg_hba.conf") << "local all all trust\nhostssl all all 127.0.0.1/32 trust\n";
        _server->stop();
        _server->start();
        const std::string superuser = _server->connectionString("coder") + " port=" + _port;
        applyRoleScriptTo(superuser);
        _tlsDatabase.emplace(superuser);
    }

    void connectTo(const std::string& host, const CertificateAuthority& authority,
                   const std::string& more = "")
    {
        settings().connection = ConnectionString::parse(
            "host=" + host + " hostaddr=127.0.0.1 port=" + _port + " user=" + detectorRole +
            " password=geheim123 dbname=coder sslmode=verify-full sslrootcert=" + authority.certificate() +
            more);
    }

    const std::string _port = freePort(15000, 19999);
    std::optional<CertificateAuthority> _authority;
    std::optional<Sim::ThrowawayPostgres> _server;
    std::optional<Sim::JobDatabase> _tlsDatabase;
};

CPPUNIT_TEST_SUITE_REGISTRATION(TlsTest);

} // namespace HangDetection::Test
