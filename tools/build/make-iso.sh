#!/usr/bin/env bash
# make-iso.sh OUT KERNEL INITRAMFS 'COMMAND LINE': an ISO that GRUB starts by multiboot2, on BIOS and UEFI machines.
set -euo pipefail

[ $# = 4 ] || { printf "usage: make-iso.sh OUT KERNEL INITRAMFS 'COMMAND LINE'\n" >&2; exit 2; }
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
out=$(realpath -m "$1")
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

mkdir -p "$stage/tree/boot/grub" "$(dirname "$out")"
# Without debugging information GRUB reads a fraction of the file.
dotnet "$root/tools/BuildTool/obj/out/BuildTool.dll" strip "$2" "$stage/tree/boot/kernel.elf"
cp "$3" "$stage/tree/boot/initramfs.cpio"
# GRUB's shell takes the line apart into words: its special characters are escaped, spaces are not.
words=$(printf '%s' "$4" | sed "s/[][\\\"'\$;&|<>{}#*?]/\\\\&/g")
words=$words awk '{ at = index($0, "@COMMAND_LINE@"); if (at) $0 = substr($0, 1, at - 1) ENVIRON["words"] substr($0, at + 14); print }' \
  "$root/iso/grub.cfg" > "$stage/tree/boot/grub/grub.cfg"

# Only the modules that the configuration needs, and no fonts or translations: GRUB starts sooner.
grub-mkrescue --output="$stage/out.iso" --compress=no --fonts= --themes= --locales= \
  --install-modules='multiboot2 normal iso9660 all_video part_gpt part_msdos fat' \
  "$stage/tree" > "$stage/log" 2>&1 || { cat "$stage/log" >&2; exit 1; }
mv "$stage/out.iso" "$out"
