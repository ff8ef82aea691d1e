// SPDX-License-Identifier: Apache-2.0
// Puts a file into the program as it is.
#pragma once

#include <cstddef>
#include <string_view>

/// Defines `std::string_view name()` with the bytes of the file at `path`, a string literal that
/// jetcal_carry() of CMake hands over. In the global namespace, once in a program.
#define JETCAL_CARRIED_FILE(name, path)                                          \
  asm(".section .rodata\n.global " #name "_begin\n.global " #name "_end\n" #name \
      "_begin:\n.incbin \"" path "\"\n" #name "_end:\n.byte 0\n.previous\n");    \
  extern "C" const char name##_begin[], name##_end[];                            \
  static std::string_view name() noexcept {                                      \
    return {name##_begin, static_cast<std::size_t>(name##_end - name##_begin)};  \
  }
