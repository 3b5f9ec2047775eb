#include "SilentTerminal.h"

#include <unistd.h>

namespace HangDetection::Sim {

SilentTerminal::SilentTerminal()
{
    termios mode{};
    if (tcgetpgrp(STDOUT_FILENO) != getpgrp() || tcgetattr(STDOUT_FILENO, &mode) != 0)
        return;
    _before = mode;
    mode.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHONL);
    mode.c_lflag |= NOFLSH;
    mode.c_cc[VSUSP] = _POSIX_VDISABLE;
    tcsetattr(STDOUT_FILENO, TCSANOW, &mode);
}

SilentTerminal::~SilentTerminal()
{
    if (_before && tcgetpgrp(STDOUT_FILENO) == getpgrp())
        tcsetattr(STDOUT_FILENO, TCSANOW, &*_before);
}

} // namespace HangDetection::Sim
