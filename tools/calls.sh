#!/usr/bin/env bash
# Writes the list of supported system calls into README.md, from where the kernel registers them. A test compares the two.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

table=$(
  printf '| area | calls |\n|---|---|\n'
  # table.Add(9, "mmap"u8, &Mmap); in Kernel/Syscalls/MemorySyscalls.cs gives: | Memory | `mmap` … |
  grep -oE '\.Add\([0-9]+, "[a-z0-9_]+"u8' "$root"/Kernel/Syscalls/*.cs |
    sed -E 's|.*/([A-Za-z]+)\.cs:\.Add\(([0-9]+), "([a-z0-9_]+)"u8|\1 \2 \3|; s/Syscalls? / /; s/Calls / /' |
    LC_ALL=C sort -k1,1 -k2,2n |
    awk '$1 != area { if (area) print " |"; area = $1; name = area; gsub(/[A-Z]/, " &", name); printf "| %s |", tolower(substr(name, 2)) }
         { printf " `%s`", $3 } END { print " |" }'
)
TABLE=$table awk '
  /<!-- calls: end -->/ { inside = 0 }
  !inside { print }
  /<!-- calls: begin/ { inside = 1; print ""; print ENVIRON["TABLE"]; print "" }' "$root/README.md" > "$root/README.md.new"
mv "$root/README.md.new" "$root/README.md"
