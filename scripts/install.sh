#!/bin/sh
# Installs csm and csd for one user, from a release: a folder, or an address that has one.
set -eu

usage() {
  cat <<'END'
usage: sh install.sh [--from DIR|URL] [--version V] [--dir DIR] [--uninstall]

  --from       the folder or address of one release, or of all of them
               (default: $CSM_RELEASES, else where this script came from)
  --version    this one instead of the newest
  --dir        where to (default: ~/.local/bin); needed for root
  --uninstall  takes csm and csd out of that folder again

Nothing is put in place before its checksum is right and it has started; an
installation that fails leaves the old one.
END
}

BASE=""
PUBLIC_KEY=""

work=""
clean() { [ -z "$work" ] || rm -rf "$work"; }
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

fail() {
  printf 'install.sh: %s\n' "$1" >&2
  exit "${2:-1}"
}
has() { command -v "$1" >/dev/null 2>&1; }

main() {
  from=${CSM_RELEASES:-}
  version="" dir="" uninstall=""
  while [ $# -gt 0 ]; do
    case $1 in
      --from | --version | --dir)
        [ -n "${2:-}" ] || fail "$1 needs a value" 2
        case $1 in
          --from) from=$2 ;;
          --version) version=${2#v} ;;
          --dir) dir=$2 ;;
        esac
        shift 2
        ;;
      --uninstall)
        uninstall=1
        shift
        ;;
      -h | --help)
        usage
        return
        ;;
      *) fail "unknown word \"$1\"; known: --from, --version, --dir, --uninstall" 2 ;;
    esac
  done
  # This script may lie in a release.
  if [ -z "$from" ] && [ -f "$0" ] && [ -f "$(dirname "$0")/SHA256SUMS" ]; then from=$(dirname "$0"); fi
  from=${from:-$BASE}
  if [ -z "$dir" ]; then
    [ "$(id -u)" -ne 0 ] || fail "csm is installed for one user, not for root; --dir /usr/local/bin if you mean that" 2
    [ -n "${HOME:-}" ] || fail "HOME is not set; --dir says where to install" 2
    dir=$HOME/.local/bin
  fi
  if [ -n "$uninstall" ]; then
    uninstall_from "$dir"
    return
  fi
  [ -n "$from" ] || fail "no release is known; --from names its folder or address" 2
  install_into "$dir"
}

# What stands at a path is csm; any other program of that name is none of ours.
is_ours() { grep -q CLAUDE_SMART_CLAUDE_BIN "$1" 2>/dev/null; }

uninstall_from() {
  [ -e "$1/csm" ] || [ -L "$1/csd" ] || fail "there is no csm in $1"
  for name in csm csd csm.previous; do
    if [ -L "$1/$name" ] && [ "$(readlink "$1/$name")" = csm ]; then
      rm -f "$1/$name"
    elif [ -f "$1/$name" ]; then
      is_ours "$1/$name" || fail "$1/$name is another program; it stays"
      rm -f "$1/$name"
    fi
  done
  printf 'removed csm and csd from %s; what they remember is in ~/.local/state/csm and ~/.local/state/csd\n' "$1"
}

platform() {
  system=$(uname -s) machine=$(uname -m)
  case $machine in
    x86_64 | amd64) cpu=x64 ;;
    aarch64 | arm64) cpu=arm64 ;;
    *) fail "there is no csm for the processor $machine; there is one for x86_64 and arm64" ;;
  esac
  case $system in
    Darwin)
      # A shell under Rosetta says x86_64 on a machine that is not.
      if [ "$cpu" = x64 ] && [ "$(sysctl -n hw.optional.arm64 2>/dev/null || true)" = 1 ]; then cpu=arm64; fi
      echo "darwin-$cpu"
      ;;
    Linux)
      # The one x64 build runs from SSE 4.2 on, so there is no other for old processors.
      if [ "$cpu" = x64 ] && [ -r /proc/cpuinfo ] && ! grep -q sse4_2 /proc/cpuinfo; then
        fail "this processor is too old: csm needs SSE 4.2 (x86-64-v2)"
      fi
      if is_musl; then echo "linux-$cpu-musl"; else echo "linux-$cpu"; fi
      ;;
    MINGW* | MSYS* | CYGWIN*) fail "this is Windows: use install.ps1 in PowerShell, or this script inside WSL" ;;
    *) fail "there is no csm for $system; there is one for Linux, macOS and Windows" ;;
  esac
}

# By the loader that is there: glibc's wins where both are.
is_musl() {
  for loader in /lib64/ld-linux-*.so.* /lib/ld-linux-*.so.*; do [ ! -e "$loader" ] || return 1; done
  for loader in /lib/ld-musl-*.so.1; do [ ! -e "$loader" ] || return 0; done
  return 1
}

# What a program that failed said last; kept in no file, as the disk may be full.
last() { printf '%s\n' "$1" | grep -v '^0*$' | tail -n 1 | sed 's/^0*curl: ([0-9]*) //'; }

# From a folder or an address into a file; 1 where it is not there.
fetch() {
  case $1 in
    http://* | https://*)
      if has curl; then
        said=$(curl -sSL --retry 2 --stderr - -w '%{http_code}' -o "$2" "$1") || fail "could not load $1: $(last "$said")"
        case $said in *[45]??) return 1 ;; esac
      elif has wget; then
        said=$(wget -nv -O "$2" "$1" 2>&1) && return
        case $said in *404* | *403* | *410*) return 1 ;; esac
        fail "could not load $1: $(last "$said")"
      else
        fail "neither curl nor wget is here; install one, or load the release yourself and name its folder with --from"
      fi
      ;;
    *)
      [ -f "$1" ] || return 1
      said=$(cp "$1" "$2" 2>&1) || fail "could not copy $1: $(last "$said")"
      ;;
  esac
}

# The place of one release: what was named, or a release of those in it.
find_release() {
  from=${from%/}
  if [ -n "$version" ]; then inside=download/v$version; else inside=latest/download; fi
  for place in "$from" "$from/$inside"; do
    if fetch "$place/SHA256SUMS" "$work/SHA256SUMS"; then
      echo "$place"
      return
    fi
  done
  fail "there is no release${version:+ $version} at $from"
}

sum_of() {
  if has sha256sum; then sha256sum "$1"; elif has shasum; then shasum -a 256 "$1"; else openssl dgst -sha256 -r "$1"; fi | cut -d' ' -f1
}

install_into() {
  dir=$1
  platform=$(platform)
  mkdir -p "$dir" 2>/dev/null || fail "could not make the folder $dir"
  dir=$(cd "$dir" && pwd)
  [ -w "$dir" ] || fail "may not write in $dir; --dir names another folder"
  for name in csm csd; do
    if [ -f "$dir/$name" ] && ! is_ours "$dir/$name"; then fail "$dir/$name is another program; --dir names another folder"; fi
  done
  # On the same disk, so that putting it in place is one step.
  work=$dir/.csm-install.$$
  rm -rf "$work"
  mkdir "$work" || fail "could not write in $dir"
  place=$(find_release)
  check_signature "$place"
  pick_archive
  fetch "$place/$archive" "$work/$archive" || fail "there is no $archive at $place"
  [ "$(sum_of "$work/$archive")" = "$sum" ] || fail "the checksum of $archive is wrong: it is damaged, or not what was released; nothing was changed"
  unpack
  put_in_place
}

# The key stands in this script; without one, or without minisign, the checksums alone hold.
check_signature() {
  if [ -z "$PUBLIC_KEY" ] || ! has minisign; then return; fi
  fetch "$1/SHA256SUMS.minisig" "$work/SHA256SUMS.minisig" || fail "the release at $1 is not signed"
  minisign -Vqm "$work/SHA256SUMS" -P "$PUBLIC_KEY" >/dev/null 2>&1 || fail "the signature of the release at $1 is wrong; nothing was changed"
}

# Sets archive and sum: the smaller one where xz is here.
pick_archive() {
  formats="tar.gz"
  if has xz; then formats="tar.xz tar.gz"; fi
  for format in $formats; do
    line=$(grep -E "^[0-9a-f]{64}  csm-[^ ]*-$platform\.$format\$" "$work/SHA256SUMS" | grep -F "  csm-${version:+$version-$platform.}" | head -n 1) || line=""
    [ -n "$line" ] || continue
    sum=${line%% *} archive=${line##* }
    return
  done
  fail "the release at $place has no csm${version:+ $version} for $platform"
}

unpack() {
  case $archive in
    *.xz) tool=xz ;;
    *) tool=gzip ;;
  esac
  said=$("$tool" -dc "$work/$archive" 2>&1 >"$work/tar") || fail "could not unpack $archive: $(last "$said")"
  rm -f "$work/$archive"
  said=$(tar -xf "$work/tar" -C "$work" 2>&1) || fail "could not unpack $archive: $(last "$said")"
  program=$(echo "$work"/csm-*/csm)
  [ -f "$program" ] || fail "$archive has no csm in it"
  chmod 755 "$program"
  said=$("$program" --version 2>&1) || {
    hint=""
    case $platform in *-musl) hint="; it needs libstdc++ (apk add libstdc++)" ;; esac
    fail "csm does not start here: $(printf '%s\n' "$said" | head -n 1)$hint; nothing was changed"
  }
}

put_in_place() {
  mv -f "$program" "$dir/csm" || fail "could not put csm into $dir"
  # One file, two names: what replaces csm replaces csd.
  ln -s csm "$work/csd"
  mv -f "$work/csd" "$dir/csd" || fail "could not put csd into $dir"
  printf '%s is in %s, with csd\n' "$said" "$dir"
  case :$PATH: in *":$dir:"*) return ;; esac
  # shellcheck disable=SC2016 # the shell that reads it is to expand it
  printf '%s is not in PATH; add to the start file of your shell:\n  export PATH="%s:$PATH"\n' "$dir" "$dir"
}

# Whole before it runs: a script that is piped into sh may break off.
main "$@"
