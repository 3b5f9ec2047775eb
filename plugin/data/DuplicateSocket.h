#pragma once

namespace HangDetection {

class DuplicateSocket
/// A descriptor of our own for a socket of libpq's. libpq closes its descriptor when a
/// connection is lost or finished, and the host may be given the same number again.
{
public:
    explicit DuplicateSocket(int socket);
    /// Throws std::system_error when there is no descriptor to be had.

    ~DuplicateSocket();

    DuplicateSocket(const DuplicateSocket&) = delete;
    DuplicateSocket& operator=(const DuplicateSocket&) = delete;

    void shutDown() const noexcept;
    /// Ends the connection for all descriptors, and every wait for it.

private:
    const int _descriptor;
};

} // namespace HangDetection
