#!/usr/bin/env bash
# Makes a checkout ready, then becomes the pinned Node on a script of the project:
#
#   bash scripts/run.sh [SCRIPT [ARGUMENT...]]      without a script: only make ready (what `npm run build` does)
#
# Ready means: packages as in package-lock.json, the Node of the dev dependency `node`, everything compiled by `tsc -b`,
# each command in a bundle.
# It asks for any Node.js from 20 on, npm and bash; no compiler. It says nothing when there is nothing to do.
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
  echo "run.sh: $1" >&2
  exit 4
}

# npm puts node_modules/.bin first. Installing must not run on the Node that it replaces.
path_outside=$(printf %s "$PATH" | tr : '\n' | grep -vxF "$PWD/node_modules/.bin" | paste -sd :)
outside() { PATH=$path_outside "$@"; }

install() {
  outside command -v npm >/dev/null || fail 'npm is not installed. Install Node.js 20 or newer with its npm, and try again.'
  if [ "$1" = packages ]; then
    echo 'run.sh: installing the packages of package-lock.json ...' >&2
    outside npm ci --include=dev --loglevel=error >&2
  fi
  # .npmrc says ignore-scripts, for no other package needs one; `node` fetches its binary in its install script.
  echo 'run.sh: installing the pinned Node.js ...' >&2
  outside npm rebuild node --ignore-scripts=false --loglevel=error >&2
}

missing() { outside node scripts/missing.js; }

# Two at once would install or compile over each other. The lock goes with the file handle, also when this is killed.
if command -v flock >/dev/null; then
  exec 9<scripts/run.sh
  flock --nonblock 9 || { echo 'run.sh: waiting for another set-up or build ...' >&2 && flock 9; }
fi

outside command -v node >/dev/null || fail 'Node.js is not installed. Install version 20 or newer with its npm, and try again.'
what=$(missing) || fail 'cannot tell what is installed (see above).'
if [ -n "$what" ]; then
  install "$what"
  what=$(missing) || true
  [ -z "$what" ] || fail "after installing, still missing: $what. Remove node_modules and try again."
fi

export PATH="$PWD/node_modules/.bin:$path_outside"
tsc -b
node_modules/.bin/node scripts/bundle.ts

exec 9<&-
[ $# -eq 0 ] || exec node_modules/.bin/node "$@"
