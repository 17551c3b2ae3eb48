#!/usr/bin/env bash
# All the tests, those that boot QEMU included. Further arguments go to `dotnet test` (for instance --filter Memory).
# Its last line says how many passed and failed; it ends 0 when none failed and at least one ran.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tools/run/build.sh
source "$root/tools/run/build.sh"

"$root/tools/bootstrap.sh"
build_what_changed

results=$(mktemp -d "${TMPDIR:-/tmp}/nanovm-tests.XXXXXX")
trap 'rm -rf "$results"' EXIT
status=0
dotnet test "$root/NanoVm.sln" --nologo --logger 'console;verbosity=minimal' --logger 'trx;LogFileName=results.trx' \
  --results-directory "$results" "$@" < /dev/null || status=$?

# The counts stand in the result file: <Counters total="3" executed="3" passed="3" failed="0" error="0" timeout="0" aborted="0" ... />
count() { cat "$results"/*.trx 2>/dev/null | grep -o '<Counters [^>]*' | grep -o " $1=\"[0-9]*\"" | tr -dc '0-9\n' | awk '{ n += $1 } END { print n + 0 }'; }
passed=$(count passed)
failed=$(($(count failed) + $(count error) + $(count timeout) + $(count aborted)))
if [ "$status" = 0 ] && { [ "$passed" = 0 ] || [ "$failed" != 0 ]; }; then status=1; fi
printf '%s passed, %s failed\n' "$passed" "$failed"
exit "$status"
