#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fails when an object compiled for one instruction set shares a function with the rest of the program: the linker keeps
# one copy of a weak symbol, and that copy could be the one an older CPU cannot run.
# Usage: check_isa_objects.sh libjetcal_kernels.a
set -eu

library=${1:?usage: check_isa_objects.sh LIBRARY}
objects=$(ar t "$library" | grep -E '_avx(2|512)\.cc\.o$' | sort) || {
  echo "$library has no *_avx2.cc.o or *_avx512.cc.o" >&2
  exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$library" "$work/library.a"
(cd "$work" && ar x library.a)
failed=0
for object in $objects; do
  # W V w v: weak; u: unique global. A C++ library function here would be weak too.
  weak=$(nm -C "$work/$object" | grep -E ' [WVwvu] ' || true)
  if [ -n "$weak" ]; then
    printf '%s has weak symbols:\n%s\n' "$object" "$weak" >&2
    failed=1
  fi
done
[ "$failed" -eq 0 ] && echo "$(echo "$objects" | wc -l) objects, no weak symbols"
exit "$failed"
