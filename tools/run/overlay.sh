# shellcheck shell=bash
# Sourced by run-qemu.sh: the files that one run brings into the guest, collected in a folder and packed as a cpio archive which
# the kernel unpacks over the base initramfs. Needs refuse().

overlay=''

# overlay_begin FOLDER: files are collected in FOLDER, which must not exist yet.
overlay_begin() {
  overlay=$1
  mkdir "$overlay"
}

# overlay_is_empty: whether nothing has been brought.
overlay_is_empty() { [ -z "$(ls -A "$overlay")" ]; }

# overlay_command TEXT: the command that init runs, byte for byte.
overlay_command() {
  overlay_folder /etc/nanovm
  printf '%s' "$1" > "$overlay/etc/nanovm/run"
}

# overlay_add HOST[:GUEST]: a file or folder, with its mode; a folder with all that is in it, links inside kept as links.
# A name that has a colon itself wins when it exists. GUEST is absolute; ending in a slash it is the folder to put HOST into.
overlay_add() {
  local host=$1 guest=''
  if [ ! -e "$host" ] && [[ $host == *:* ]]; then
    guest=${host##*:}
    host=${host%:*}
    [[ $guest == /* ]] || refuse "--add $1: '$guest' is no absolute path in the guest"
  fi
  [ -e "$host" ] || refuse "--add: there is no file '$host'"
  [ -r "$host" ] || refuse "--add: '$host' cannot be read"
  case $guest in
    '') guest=/root/$(basename "$(realpath "$host")") ;;
    */) guest=$guest$(basename "$(realpath "$host")") ;;
  esac
  [[ $guest/ != */../* ]] || refuse "--add $1: '$guest' leads through '..'"
  overlay_copy "$host" "$guest"
}

# overlay_with PROGRAM: a program of the host, by path or by name, with its interpreter and its shared libraries, each at its own path.
# A library is brought like a program; a folder (the modules of an interpreter) with all that is in it and the libraries of its files.
overlay_with() {
  local program=$1 path file
  if [ -d "$program" ]; then
    path=$(realpath "$program")
    overlay_copy "$path" "$path"
    while IFS= read -r -d '' file; do
      [ "$(head -c 4 "$file" | tr -d '\0')" != $'\x7fELF' ] || overlay_libraries "$file" ''
    done < <(find "$path" -type f -size +3c -print0)
    return
  fi
  path=$(type -P -- "$program") || path=$program
  [[ $path == */* && -f $path && -r $path ]] || refuse "--with: there is no program '$program'"
  path=$(cd "$(dirname "$path")" && pwd)/$(basename "$path")
  overlay_own_path "$path"

  local first
  IFS= read -r -n 127 first < <(tr -d '\0' < "$path") || true
  if [[ $first == '#!'* ]]; then # a script: what runs it
    read -r first _ <<< "${first#'#!'}"
    overlay_with "$first"
    return
  fi
  overlay_libraries "$path" needed
}

# overlay_libraries FILE NEEDED: the interpreter and the shared libraries of an ELF file. Without NEEDED one that the host lacks is left
# out: a folder has modules that nobody may want.
overlay_libraries() {
  local listing line
  listing=$(ldd "$1" 2>/dev/null) || return 0 # static: nothing more to bring
  while IFS= read -r line; do
    case $line in
      *'not found'*)
        [ -z "$2" ] || refuse "--with: $1 needs a library that is not here: ${line#"${line%%[![:space:]]*}"}"
        continue
        ;;
      *'=> /'*) line=${line#*=> } ;;
      [[:space:]]/*) line=${line#"${line%%[![:space:]]*}"} ;;
      *) continue ;; # the vDSO, "statically linked"
    esac
    overlay_own_path "${line% (0x*}"
  done <<< "$listing"
}

# overlay_own_path PATH: the host's file at PATH itself, at the path it really has behind links, and at PATH with its folder's links
# resolved: a Debian library is opened by the name /lib/x86_64-linux-gnu/libc.so.6 and lies in /usr/lib.
overlay_own_path() {
  local path=$1 real folder name
  real=$(realpath "$path")
  folder=$(realpath "$(dirname "$path")")
  [ -e "$overlay$real" ] || overlay_copy "$real" "$real"
  for name in "$folder/$(basename "$path")" "$path"; do
    [ -e "$overlay$name" ] || [ -L "$overlay$name" ] || { overlay_folder "$(dirname "$name")" && ln -s "$real" "$overlay$name"; }
  done
}

# overlay_folder GUEST: makes the guest's folder GUEST. Refuses to go through a link that was brought, which may lead out to the host.
overlay_folder() {
  [ "$1" = / ] || [ "$(realpath -m "$overlay$1")" = "$(realpath "$overlay")$(realpath -ms "$1")" ] || refuse "--add: '$1' leads through a link"
  mkdir -p "$overlay$1"
}

# overlay_copy HOST GUEST: contents and mode; a link given by name is followed, links inside a folder are kept.
overlay_copy() {
  local host=$1 target=$overlay$2
  if [ -d "$host" ] && { [ ! -e "$target" ] || [ -d "$target" ]; }; then
    overlay_folder "$2"
    cp -R -P --preserve=mode,timestamps -- "$host/." "$target" || refuse "--add: not all of '$host' can be read"
    chmod --reference="$host" "$target"
  elif [ -f "$host" ] && [ ! -d "$target" ]; then
    overlay_folder "$(dirname "$2")"
    cp -L --preserve=mode,timestamps -- "$host" "$target"
  else
    refuse "--add: '$host' cannot be put at '$2'"
  fi
}

# overlay_pack FILE: appends the files to FILE as a newc archive, everything owned by root.
overlay_pack() {
  (cd "$overlay" && find . -mindepth 1 -print0 | LC_ALL=C sort -z | cpio --quiet -0 -o -H newc -R 0:0) >> "$1"
}
