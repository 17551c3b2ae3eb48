# shellcheck shell=bash
# Sourced by the entry scripts: builds artifacts/ when a source has changed since the last successful build.
# Needs $root, the project's folder.
# shellcheck disable=SC2154

# What goes into the artifacts. Tests and words do not.
readonly BUILD_INPUTS=(Kernel User boot iso tools/build tools/BuildTool)

# build_fingerprint: one line that changes when any input's name, time or size does, or an artifact has gone.
build_fingerprint() {
  (
    cd "$root" || exit
    local inputs=() name
    for name in "${BUILD_INPUTS[@]}" ./*.sln ./*.slnx ./*.props ./*.targets ./global.json; do [ ! -e "$name" ] || inputs+=("$name"); done
    {
      find "${inputs[@]}" \( -name bin -o -name obj \) -prune -o -type f ! -name '*.md' -printf '%p %T@ %s\n' | LC_ALL=C sort
      ls artifacts/kernel.elf artifacts/initramfs.cpio artifacts/nanovm.iso 2>&1 || true # absent ones are part of the line
    } | md5sum
  )
}

# build_what_changed: returns at once when nothing has changed; else builds, one build at a time however many scripts want one.
# Progress goes to standard error. Ends the script with 1 when the build fails.
build_what_changed() {
  local stamp=$root/artifacts/.built before lock
  [ "$(cat "$stamp" 2>/dev/null)" != "$(build_fingerprint)" ] || return 0
  mkdir -p "$root/artifacts"
  exec {lock}> "$root/artifacts/.build.lock"
  flock "$lock"
  before=$(build_fingerprint)
  if [ "$(cat "$stamp" 2>/dev/null)" != "$before" ]; then
    printf 'building NanoVM ...\n' >&2
    if ! dotnet build "$root/iso/Image.csproj" --nologo -v quiet -tl:off > "$root/artifacts/build.log" 2>&1 < /dev/null; then
      cat "$root/artifacts/build.log" >&2
      printf 'the build failed\n' >&2
      exit 1
    fi
    build_fingerprint > "$stamp"
  fi
  exec {lock}>&-
}
