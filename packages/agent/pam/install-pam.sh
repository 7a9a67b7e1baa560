#!/bin/sh
# Puts ThinMan into services of PAM, or takes it out again (docs/login-screens.md). On Debian and its relatives, as root.
#
#   install-pam.sh --data DIR [--account NAME | --own-accounts] SERVICE...     lightdm, gdm-password, login, xscreensaver, ...
#   install-pam.sh --remove SERVICE...
#
# A service keeps its own lines: only `@include common-auth` and `@include common-account` are replaced, each by a marked
# block in which the accounts of the machine go on to that include, and all others are asked of the agent.
set -eu

usage() {
  sed -n '4,5s/^# *//p' "$0" >&2
  exit 2
}
fail() {
  echo "install-pam.sh: $*" >&2
  exit 1
}

here=$(cd "$(dirname "$0")" && pwd)
source=$here/thinman-pam
helper=/usr/local/lib/thinman/thinman-pam
folder=/etc/pam.d
data=
account=kiosk
remove=
settings=1
while [ $# -gt 0 ]; do
  case $1 in
    --data) data=${2-}; shift 2 || usage ;;
    --account) account=${2-}; shift 2 || usage ;;
    --own-accounts) account=; shift ;;
    --remove) remove=1; shift ;;
    # For packages and tests: another place for the helper and the services, and no local.json.
    --helper) helper=${2-}; shift 2 || usage ;;
    --pam-folder) folder=${2-}; shift 2 || usage ;;
    --keep-settings) settings=; shift ;;
    -*) usage ;;
    *) break ;;
  esac
done
[ $# -gt 0 ] || usage

for service in "$@"; do
  [ -f "$folder/$service" ] || fail "there is no $folder/$service: name a service of this machine (ls $folder)"
done

# What an earlier run has put in, out again: the marked blocks go, and the lines that they had replaced come back.
without() {
  sed -e '/^# >>> thinman$/d' -e '/^# <<< thinman$/d' -e '/^[^#].* #thinman$/d' -e 's/^#thinman replaces: //' "$1"
}
replace() { # FILE CONTENT: whole or not at all, with the mode and the owner that it had
  draft=$1.thinman-new
  cp -p "$1" "$draft"
  printf '%s\n' "$2" >"$draft"
  mv "$draft" "$1"
}

if [ -n "$remove" ]; then
  for service in "$@"; do
    replace "$folder/$service" "$(without "$folder/$service")"
    echo "ThinMan is out of $folder/$service"
  done
  exit 0
fi

[ -n "$data" ] || usage
case $data in
  /*) ;;
  *) fail "--data $data is no absolute path" ;;
esac
case $data$helper in
  *[[:space:]\[\]#\\]*) fail "PAM takes no path with spaces, brackets, # or \\: choose another one" ;;
esac
[ -x /usr/bin/perl ] || fail "/usr/bin/perl is missing: apt-get install perl-base"
for service in "$@"; do
  without "$folder/$service" | grep -q '^@include common-auth' ||
    fail "$folder/$service has no line \"@include common-auth\": this is no service of Debian's kind; docs/login-screens.md has the lines to write by hand"
done
if [ -n "$account" ] && [ -n "$settings" ]; then
  getent passwd "$account" >/dev/null ||
    fail "there is no account \"$account\" for the sessions: useradd --create-home --shell /bin/bash $account, or use --own-accounts"
fi
if ! grep -Eq '^passwd:.*\bsystemd\b' /etc/nsswitch.conf; then
  echo "install-pam.sh: /etc/nsswitch.conf has no \"systemd\" for passwd: people cannot become Unix users (apt-get install libnss-systemd)" >&2
fi

mkdir -p "$(dirname "$helper")"
cp "$source" "$helper.new"
chmod 755 "$helper.new"
mv "$helper.new" "$helper"

if [ -n "$settings" ]; then
  if [ -n "$account" ]; then
    wanted="\"unixAccounts\": { \"kind\": \"shared\", \"account\": \"$account\" }"
    kind=shared
  else
    wanted='"unixAccounts": { "kind": "own" }'
    kind=own
  fi
  if [ ! -e "$data/local.json" ]; then
    printf '{ %s }\n' "$wanted" >"$data/local.json"
    echo "$data/local.json is new: restart the agent"
  elif ! tr -d '[:space:]' <"$data/local.json" | grep -q "\"unixAccounts\":{[^}]*\"kind\":\"$kind\""; then
    echo "install-pam.sh: $data/local.json is yours, and says something else: people become no Unix users until it has $wanted and the agent is restarted" >&2
  fi
fi

# Jumps count modules, and a substack is one. pam_exec makes PAM_SYSTEM_ERR of every no: pam_deny tells it as a wrong password.
block() { # auth|account, the options of pam_exec, the include that is replaced
  echo "# >>> thinman"
  [ -z "$account" ] || echo "$1 [success=1 default=ignore] pam_succeed_if.so quiet user = $account #thinman"
  echo "$1 [success=2 default=ignore] pam_localuser.so #thinman"
  echo "$1 [success=2 default=ignore] pam_exec.so $2stdout quiet $helper $data #thinman"
  echo "$1 requisite pam_deny.so #thinman"
  echo "$1 substack $3 #thinman"
  echo "$1 required pam_permit.so #thinman"
  echo "#thinman replaces: @include $3"
  echo "# <<< thinman"
}
session() {
  echo "# >>> thinman"
  [ -n "$account" ] || echo "session required pam_mkhomedir.so umask=0077 #thinman"
  echo "session optional pam_exec.so quiet $helper $data #thinman"
  echo "# <<< thinman"
}

for service in "$@"; do
  content=$(
    without "$folder/$service" | while IFS= read -r line; do
      case $line in
        '@include common-auth') block auth 'expose_authtok ' common-auth ;;
        '@include common-account') block account '' common-account ;;
        *) printf '%s\n' "$line" ;;
      esac
    done
    if grep -q '^\(session\|@include common-session\)' "$folder/$service"; then session; fi
  )
  replace "$folder/$service" "$content"
  echo "ThinMan is in $folder/$service"
done
