#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds the room cuda on a machine with a GPU, checks it against the CPU, and times it beside its peers, within 10 minutes.
#
#   tools/gpu_check.sh [OUTPUT_FOLDER]    default bench/results; writes gpu-<name of the GPU>.json there
#   tools/gpu_check.sh --list             what it checks; needs no GPU
#
# Needs g++, CMake 3.25, nvcc 13 and cuBLAS (of a toolkit or of torch's wheels); for the peers python3 with torch and numpy. No network,
# no GoogleTest, none of Debian's libraries. Leaves its build in build/gpu-check.
set -u
cd "$(dirname "$0")/.."
root=$PWD
build=$root/build/gpu-check
models="paper-pfn paper-particlenet pn-best pn-large"

list() {
  echo "1. build: rooms base edm kernels models cuda for this GPU, -DJETCAL_BARE=ON -DJETCAL_CUDA=ON (at most 270 s)"
  echo "2. checks, each on the GPU against the same operation of the CPU (at most 90 s):"
  local program=$build/tests/jetcal_cuda_emulated_check
  [ -x "$program" ] && "$program" --list | sed 's/^/     /'
  [ -x "$program" ] || sed -n 's/^JETCAL_CHECK(\(.*\)) {/     \1/p' tests/cuda/*.cc
  echo "3. memory: the checks of one step once more under compute-sanitizer, where it is installed (at most 60 s)"
  echo "4. times of a training step (batch 500) and of inference (batch 1, 32, 500, 4096) for $models,"
  echo "   float32, tf32 and bfloat16 (at most 60 s)"
  echo "5. the same jets and weights in PyTorch eager, torch-geometric (where installed) and torch.compile (at most 110 s)"
}
if [ "${1:-}" = --list ]; then
  list
  exit 0
fi
output=${1:-bench/results}

fail() {
  echo "gpu_check: $*" >&2
  exit 1
}
part() {
  echo "gpu_check: $* ($SECONDS s)"
}

command -v nvidia-smi >/dev/null && gpu=$(nvidia-smi --query-gpu=name,compute_cap --format=csv,noheader 2>/dev/null | head -1)
[ -n "${gpu:-}" ] || fail "there is no GPU here (nvidia-smi names none); --list says what would be checked"
capability=$(echo "${gpu##*, }" | tr -d .)
name=$(echo "${gpu%,*}" | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9-')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

part "build for ${gpu%,*}, sm_$capability"
# torch's wheels bring cuBLAS with its headers where the toolkit does not.
hints=$(python3 -c 'import importlib.util, pathlib
spec = importlib.util.find_spec("nvidia")
print(";".join(str(path) for root in (spec.submodule_search_locations if spec else []) for path in (pathlib.Path(root) / "cu13",
      pathlib.Path(root) / "cublas") if path.exists()))' 2>/dev/null)
generator=$(command -v ninja >/dev/null && echo Ninja || echo "Unix Makefiles")
timeout 60 cmake -S . -B "$build" -G "$generator" -DCMAKE_BUILD_TYPE=Release -DJETCAL_BARE=ON -DJETCAL_CUDA=ON -DJETCAL_BENCHMARKS=ON \
  -DCMAKE_CUDA_ARCHITECTURES="$capability-real" -DJETCAL_CUDA_HINTS="$hints" >"$work/configure.log" 2>&1 ||
  { tail -30 "$work/configure.log" >&2; fail "configure failed"; }
timeout 270 cmake --build "$build" -j "$(nproc)" --target jetcal_cuda_check jetcal_cuda_emulated_check cuda_bench >"$work/build.log" 2>&1 ||
  { grep -E "error|FAILED" -A 5 "$work/build.log" | tail -40 >&2; fail "the build failed or took more than 270 s"; }

part "checks"
status=0
timeout 90 "$build/tests/jetcal_cuda_check" | tee "$work/checks.txt"
checks=${PIPESTATUS[0]}
[ "$checks" = 0 ] || { status=1; echo "gpu_check: checks FAILED (status $checks); the times below are of code that is wrong"; }

if command -v compute-sanitizer >/dev/null; then
  part "memory"
  timeout 60 compute-sanitizer --tool memcheck --error-exitcode 9 "$build/tests/jetcal_cuda_check" StepsThatAreNotFinite |
    tail -4 | tee "$work/memory.txt"
  memory=${PIPESTATUS[0]}
  [ "$memory" = 9 ] && { status=1; echo "gpu_check: compute-sanitizer found errors"; }
else
  echo "gpu_check: compute-sanitizer is not installed: memory not checked" | tee "$work/memory.txt"
fi

part "times"
# shellcheck disable=SC2086  # a list of words
timeout 90 "$build/bench/cuda_bench" time 0.6 $models >"$work/ours.json" || { status=1; echo "gpu_check: timing failed"; rm -f "$work/ours.json"; }

part "peers"
left=$((570 - SECONDS))
[ "$left" -gt 110 ] && left=110
if python3 -c 'import torch, numpy' 2>/dev/null && [ "$left" -gt 20 ]; then
  # shellcheck disable=SC2086
  "$build/bench/cuda_bench" export "$work" $models &&
    timeout "$left" python3 bench/cuda/gpu_peers.py "$work" 0.4 $((left - 30)) $models >"$work/peers.json" 2>"$work/peers.log" ||
    { tail -5 "$work/peers.log"; echo "gpu_check: the peers failed or took more than $left s"; rm -f "$work/peers.json"; }
else
  echo "gpu_check: no torch here, or no time left: peers not timed"
fi

mkdir -p "$output"
python3 - "$work" "$output/gpu-$name.json" "$checks" <<'PYTHON'
import json, pathlib, sys
work, output, checks = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3])
read = lambda name: json.loads((work / name).read_text()) if (work / name).exists() else None
lines = (work / "checks.txt").read_text().splitlines()
ours, peers = read("ours.json"), read("peers.json")
document = {"checks": {"passed": checks == 0, "output": lines}, "memory": (work / "memory.txt").read_text().splitlines(),
            "jetcal": ours, "peers": peers}
output.write_text(json.dumps(document, indent=1) + "\n")
rows = (ours or {}).get("results", []) + (peers or {}).get("results", [])
for row in sorted(rows, key=lambda row: (row["model"], row["what"], row["batch"], row["ms_median"])):
    print(f"{row['model']:18} {row['what']:9} {row['batch']:5} {row['engine']:16} {row['precision']:9} "
          f"{row['ms_median']:9.3f} ms {row['jets_per_second']:12.0f} jets/s")
for line in (peers or {}).get("skipped", []):
    print("skipped", line)
print("written:", output)
PYTHON
part "done"
exit $status
