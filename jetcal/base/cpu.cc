// SPDX-License-Identifier: Apache-2.0
#include "jetcal/base/cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>

#include "jetcal/base/error.h"

namespace jetcal {

std::string_view isa_name(Isa isa) noexcept {
  switch (isa) {
    case Isa::Ref:
      return "ref";
    case Isa::Avx2:
      return "avx2";
    case Isa::Avx512:
      return "avx512";
    case Isa::Amx:
      return "amx";
  }
  return "unknown";
}

// Leaf 7 of CPUID, for what older compilers have no names.
static bool has_tiles() noexcept {
#if defined(__x86_64__)
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  constexpr unsigned kWanted = 1U << 22 | 1U << 24 | 1U << 25;  // AMX-BF16, AMX-TILE, AMX-INT8
  return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (edx & kWanted) == kWanted;
#else
  return false;
#endif
}

// Linux gives the registers of tiles to processes that ask for them.
static bool tiles_granted() noexcept {
#if defined(__x86_64__)
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM of asm/prctl.h
  constexpr long kTileData = 18;               // XFEATURE_XTILE_DATA of the kernel
  static const bool kGranted = syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  return kGranted;
#else
  return false;
#endif
}

bool cpu_supports(Isa isa) noexcept {
  switch (isa) {
    case Isa::Ref:
      return true;
    case Isa::Avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case Isa::Avx512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    case Isa::Amx:
      return cpu_supports(Isa::Avx512) && __builtin_cpu_supports("avx512bf16") &&
             __builtin_cpu_supports("avx512vnni") && has_tiles() && tiles_granted();
  }
  return false;
}

std::vector<Isa> supported_isas() {
  std::vector<Isa> isas;
  for (const Isa isa : kAllIsas) {
    if (cpu_supports(isa)) isas.push_back(isa);
  }
  return isas;
}

static Isa choose_isa() {
  const char* forced = std::getenv("JETCAL_ISA");
  if (forced == nullptr || *forced == '\0') return supported_isas().back();
  for (const Isa isa : kAllIsas) {
    if (isa_name(isa) != forced) continue;
    if (!cpu_supports(isa)) fail(ErrorCode::Unimplemented, "JETCAL_ISA: this CPU has no ", forced);
    return isa;
  }
  fail(ErrorCode::InvalidArgument, "JETCAL_ISA: expected ref, avx2, avx512 or amx, got '", forced,
       "'");
}

Isa active_isa() {
  static const Isa kIsa = choose_isa();
  return kIsa;
}

std::string cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

int usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  std::ifstream quota("/sys/fs/cgroup/cpu.max");
  std::string limit;
  double period = 0;
  if (quota >> limit >> period && limit != "max" && period > 0) {
    cores = std::min(cores, static_cast<int>(std::ceil(std::stod(limit) / period)));
  }
  return std::max(cores, 1);
}

}  // namespace jetcal
