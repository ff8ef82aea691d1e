// SPDX-License-Identifier: Apache-2.0
// What to do when a damaged file crashes ROOT itself.
#pragma once

namespace jetcal::data {

/// Is told the file that the crashed thread was reading. Runs in a signal handler: it may call
/// async-signal-safe functions only, and should end the process.
using CrashHandler = void (*)(const char* path);

/// Calls `handler` when the process crashes (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT) while this
/// room reads a file with ROOT. A crash anywhere else ends the process as it does without.
///
/// ROOT trusts some numbers of a file, such as the lengths in a TTree's header, that no checksum
/// guards; a flipped bit there can lead it astray in memory. The process cannot go on after that.
void on_crash(CrashHandler handler);

}  // namespace jetcal::data
